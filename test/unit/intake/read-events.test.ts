import { describe, expect, it } from "@jest/globals";
import hubspot from "../../../datasources/hubspot/source.ts";
import stripe from "../../../datasources/stripe/source.ts";
import zendesk from "../../../datasources/zendesk/source.ts";
import { readMessage, recordIn } from "../../../src/intake/read-events.ts";
import type { EventRules } from "../../../src/source/events.ts";

const factsOf = (source: string) => ({ source, channel: "webhook", receivedAtMs: 5 });

describe("a message", () => {
  it("of one event says which object changed", () => {
    const text = '{"id":"evt_1","type":"customer.deleted","created":1790000000,"data":{"object":{"id":"cus_7"}}}';
    expect(readMessage(stripe.webhooks!.events, text, factsOf("stripe"))).toEqual({
      unwanted: 0,
      arrivals: [
        {
          source: "stripe",
          channel: "webhook",
          receivedAtMs: 5,
          identity: '"evt_1"',
          type: "customer.deleted",
          object: { collection: "stripe.customers", key: "cus_7" },
          isDeletion: true,
          occurredAtMs: 1_790_000_000_000,
          body: text,
        },
      ],
    });
  });

  it("of several has an arrival for each, with its own text to the digit", () => {
    const events = [
      '{"eventId":1,"subscriptionId":9,"occurredAt":1790000000123,"subscriptionType":"contact.propertyChange","objectId":12345678901234567890,"propertyName":"email"}',
      '{ "eventId":1, "subscriptionId":9,"occurredAt":1790000000123,"subscriptionType":"contact.propertyChange","objectId":7,"propertyName":"email" }',
      '{"eventId":2,"subscriptionType":"company.creation","objectId":7}',
    ];
    const { arrivals, unwanted } = readMessage(hubspot.webhooks!.events, `[${events.join(" , ")}]`, factsOf("hubspot"));
    expect(arrivals.map(({ body }) => body)).toEqual(events.slice(0, 2));
    expect(arrivals.map(({ object }) => object?.key)).toEqual(["12345678901234567890", "7"]);
    expect(new Set(arrivals.map(({ identity }) => identity)).size).toBe(2);
    expect([arrivals[0]!.occurredAtMs, unwanted]).toEqual([1_790_000_000_123, 1]);
  });

  it("of types by their beginning, with a time in words", () => {
    const text = '{"type":"zen:event-type:user.active_changed","id":"e","time":"2026-01-02T03:04:05Z","detail":{"id":"42"}}';
    const { arrivals } = readMessage(zendesk.webhooks!.events, text, factsOf("zendesk"));
    expect(arrivals).toMatchObject([
      { object: { collection: "zendesk.users", key: "42" }, occurredAtMs: Date.UTC(2026, 0, 2, 3, 4, 5) },
    ]);
  });

  it.each([
    ["is not JSON", "{", /JSON|parse|end/i],
    ["has no type", '{"id":"e"}', /no type/],
    ["has no object", '{"id":"e","type":"customer.updated","data":{"object":{}}}', /which object/],
    ["has a key that nothing can have", '{"id":"e","type":"customer.updated","data":{"object":{"id":"a\\u0000"}}}', /no text/],
    ["has half a character for a key", '{"id":"e","type":"customer.updated","data":{"object":{"id":"a\\ud800"}}}', /no text/],
    ["has no identity", '{"type":"customer.updated","data":{"object":{"id":"1"}}}', /known by/],
  ])("that %s is kept for somebody to look at, and is the same when it comes again", (_problem, text, problem) => {
    const [first] = readMessage(stripe.webhooks!.events, text, factsOf("stripe")).arrivals;
    const [again] = readMessage(stripe.webhooks!.events, text, factsOf("stripe")).arrivals;
    expect(first).toMatchObject({ object: null, body: text, problem: expect.stringMatching(problem) });
    expect(again!.identity).toBe(first!.identity);
  });
});

describe("the record in an event", () => {
  it("is what stands at its kind's path", () => {
    const kinds = [
      { types: ["a.*"], collection: "a", key: "id", record: "data.object" },
      { types: ["b"], collection: "b", key: "id", record: "" },
      { types: ["c"], collection: "c", key: "id" },
    ];
    const rules: EventRules = { type: "type", identity: ["id"], kinds };
    expect(recordIn(rules, "a.x", '{"data":{"object":{"n":1}}}')).toEqual({ n: 1 });
    expect(recordIn(rules, "b", '{"n":1}')).toEqual({ n: 1 });
    expect([recordIn(rules, "c", '{"n":1}'), recordIn(rules, "d", "{}"), recordIn(rules, "a.x", "{}")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
