import { describe, expect, it } from "@jest/globals";
import { type Change, LocalChanges } from "../../../src/core/changes.ts";
import { ChangeQueue } from "../../../src/gateway/change-queue.ts";

const change = (key: string, source = "crm"): Change => ({
  source,
  collection: `${source}.people`,
  entity: "Customer",
  key,
  kind: "changed",
  owners: [],
  atMs: 1,
});

function listening(isWanted: (change: Change) => boolean = () => true) {
  const feed = new LocalChanges();
  const gone = new AbortController();
  const queue = new ChangeQueue(feed, isWanted, gone.signal);
  return { feed, gone, queue, keys: async (most: number) => (await queue.take(most, 20)).map(({ key }) => key) };
}

describe("ChangeQueue", () => {
  it("gives what is wanted, in order, as much at a time as is asked for", async () => {
    const { feed, keys } = listening(({ source }) => source === "crm");
    feed.publish([change("1"), change("x", "shop"), change("2")]);
    feed.publish([change("3")]);
    expect([await keys(2), await keys(2), await keys(2)]).toEqual([["1", "2"], ["3"], []]);
  });

  it("wakes who waits, for a change and for the end", async () => {
    const { feed, queue, gone } = listening();
    const waiting = queue.take(1, 60_000);
    feed.publish([change("1")]);
    expect(await waiting).toHaveLength(1);
    const ending = queue.take(1, 60_000);
    gone.abort();
    expect(await ending).toEqual([]);
    expect(await queue.take(1, 60_000)).toEqual([]);
  });

  it("holds a thousand; with one more it holds nothing and says why", async () => {
    const { feed, queue } = listening();
    feed.publish(Array.from({ length: 1_000 }, (_empty, number) => change(String(number))));
    expect(await queue.take(1, 0)).toHaveLength(1);
    feed.publish([change("a"), change("b")]);
    await expect(queue.take(1, 0)).rejects.toMatchObject({ code: "SUBSCRIPTION_SLOW" });
    feed.publish([change("c")]);
    await expect(queue.take(1, 0)).rejects.toMatchObject({ code: "SUBSCRIPTION_SLOW" });
  });

  it("says when changes may have been missed, and hears nothing once it is closed", async () => {
    const { feed, queue } = listening();
    feed.gap();
    await expect(queue.take(1, 0)).rejects.toMatchObject({ code: "SUBSCRIPTION_GAP" });
    const other = listening();
    other.queue.close();
    other.feed.publish([change("1")]);
    expect(await other.keys(1)).toEqual([]);
  });
});
