import { describe, expect, it } from "@jest/globals";
import { systemClock } from "../../../src/core/ports.ts";
import { WriteBehind } from "../../../src/gateway/write-behind.ts";
import type { CatalogEntry } from "../../../src/source/catalog.ts";
import type { ChangedRecord, MirrorRecord } from "../../../src/store/mirror.ts";
import type { Fetched } from "../../../src/upstream/reads.ts";
import { silent } from "../../support/world.ts";

const entry = { id: "crm.people" } as CatalogEntry;
const record = (key: string, fetchedAtMs = 1): Fetched => ({ entity: { key } as never, issues: [], clues: [], fetchedAtMs });

/** A mirror that notes what is written, and fails as often as it is told to. */
function noting(failures = 0) {
  const written: (readonly MirrorRecord[])[] = [];
  const told: string[] = [];
  const warned: string[] = [];
  let left = failures;
  const behind = new WriteBehind({
    mirror: {
      put: async (_collection, records) => {
        if (left-- > 0) throw new Error("the store is away");
        written.push(records);
        return records.map(({ entity }): ChangedRecord => ({ key: entity.key, owners: [] }));
      },
    },
    clock: systemClock,
    logger: { ...silent, warn: (fields: object) => void warned.push(JSON.stringify(fields)) },
    onFound: async (_entry, changed) => void told.push(...changed.map(({ key }) => key)),
  });
  return { behind, written, told, warned };
}

describe("WriteBehind", () => {
  it("writes together what was read shortly one after the other, of each key the last", async () => {
    const { behind, written, told } = noting();
    behind.add(entry, [record("1", 1), record("2", 1)]);
    behind.add(entry, [record("1", 2)]);
    expect(written).toEqual([]);
    await behind.stop();
    expect(written).toEqual([[record("1", 2), record("2", 1)]]);
    expect(told).toEqual(["1", "2"]);
  });

  it("holds 20,000 at most", async () => {
    const { behind, written } = noting();
    behind.add(
      entry,
      Array.from({ length: 20_010 }, (_empty, number) => record(String(number))),
    );
    await behind.stop();
    expect(written.flat()).toHaveLength(20_000);
  });

  it("says what could not be written, and goes on with what comes later", async () => {
    const { behind, written, warned } = noting(1);
    behind.add(entry, [record("1")]);
    await new Promise(resolve => setTimeout(resolve, 400));
    expect(warned).toEqual([expect.stringContaining("the store is away")]);
    behind.add(entry, [record("2")]);
    await behind.stop();
    expect(written).toEqual([[record("2")]]);
  });
});
