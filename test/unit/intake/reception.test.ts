import { describe, expect, it } from "@jest/globals";
import { Reception } from "../../../src/intake/reception.ts";
import type { Arrival } from "../../../src/store/inbox.ts";

const arrival = (identity: string, body = "{}"): Arrival => ({
  source: "crm",
  identity,
  channel: "webhook",
  type: "changed",
  object: { collection: "crm.people", key: identity },
  isDeletion: false,
  occurredAtMs: null,
  receivedAtMs: 1,
  body,
});

/** An inbox that writes when it is told to. */
function slowInbox() {
  const writes: { readonly identities: readonly string[]; readonly end: (problem?: Error) => void }[] = [];
  const accept = async (arrivals: readonly Arrival[]) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    writes.push({
      identities: arrivals.map(({ identity }) => identity),
      end: problem => (problem ? reject(problem) : resolve()),
    });
    await promise;
    return arrivals.length;
  };
  return { writes, accept };
}
const turn = () => new Promise(resolve => setTimeout(resolve, 5));

describe("taking events in", () => {
  it("writes together what comes while something is written, and answers when it is durable", async () => {
    const inbox = slowInbox();
    let kept = 0;
    const reception = new Reception(inbox, () => kept++);
    const answered: string[] = [];
    const take = (identity: string) => reception.take([arrival(identity)]).then(() => answered.push(identity));
    const all = [take("a"), take("b")];
    await turn();
    all.push(take("c"), take("d"));
    await turn();
    expect([inbox.writes.map(({ identities }) => identities), answered]).toEqual([[["a", "b"]], []]);
    inbox.writes[0]!.end();
    await turn();
    expect([inbox.writes[1]!.identities, answered, kept]).toEqual([["c", "d"], ["a", "b"], 1]);
    inbox.writes[1]!.end();
    await Promise.all(all);
    expect([answered, kept]).toEqual([["a", "b", "c", "d"], 2]);
  });

  it("tells all whose write failed, and goes on with the next", async () => {
    const inbox = slowInbox();
    const reception = new Reception(inbox, () => undefined);
    const first = Promise.allSettled([reception.take([arrival("a")]), reception.take([arrival("b")])]);
    await turn();
    const next = reception.take([arrival("c")]);
    inbox.writes[0]!.end(new Error("no disk"));
    expect((await first).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    await turn();
    inbox.writes[1]!.end();
    await expect(next).resolves.toBeUndefined();
  });

  it("refuses what the store cannot keep up with, by number and by size, and takes more when it has", async () => {
    const inbox = slowInbox();
    const reception = new Reception(inbox, () => undefined);
    const many = Array.from({ length: 9_999 }, (_, place) => arrival(String(place)));
    const waiting = [reception.take(many), reception.take([arrival("x")])];
    await expect(reception.take([arrival("y")])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await turn();
    while (inbox.writes.length > 0) {
      inbox.writes.shift()!.end();
      await turn();
    }
    await Promise.all(waiting);
    const huge = reception.take([arrival("z", "x".repeat(65 * 1024 ** 2))]);
    await expect(huge).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    const after = reception.take([arrival("y")]);
    await turn();
    inbox.writes[0]!.end();
    await after;
  });
});
