import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Json } from "../../../../src/core/json.ts";
import { readPages } from "../../../../src/upstream/listing.ts";
import { Evidence } from "../../../../src/upstream/listing/evidence.ts";
import { walkOf } from "../../../../src/upstream/listing/read-listing.ts";
import { standingOf } from "../../../../src/upstream/listing/standing.ts";
import { context, modelStyles, modelUpstream, Table } from "./model.ts";

/** What happens between two pages. */
type Change = readonly ["insert" | "delete", number];
const change = fc.tuple(fc.constantFrom("insert" as const, "delete" as const), fc.nat(60));
const ids = fc.uniqueArray(fc.nat(60), { maxLength: 40 });

const idOf = (record: Json): number => (record as { id: number }).id;

/** Lists a table that changes after every page, and says what became of the rows that stood all the time. */
async function listChanging(name: string, start: readonly number[], pageSize: number, changes: readonly (readonly Change[])[]) {
  const { list, answer } = modelStyles[name]!;
  const table = new Table(start);
  const standing = new Set(start);
  const came: number[] = [];
  const evidence = new Evidence(list);
  let page = 0;
  const upstream = modelUpstream(request => answer(table, request));
  try {
    for await (const each of readPages(upstream, { ...walkOf(list, { from: "", to: "" }), pageSize }, context)) {
      evidence.add(
        each,
        each.records.map(record => ({ key: String(idOf(record)), isBroken: false })),
      );
      came.push(...each.records.map(idOf));
      for (const [kind, id] of each.next === null ? [] : (changes[page++] ?? [])) {
        if (kind === "delete") standing.delete(id);
        table[kind](id);
      }
    }
  } catch (error) {
    return { missed: [], repeated: [], verdict: evidence.verdict({ error: error as Error }) };
  }
  const missed = [...standing].filter(id => !came.includes(id));
  const repeated = [...standing].filter(id => came.indexOf(id) !== came.lastIndexOf(id));
  return { missed, repeated, verdict: evidence.verdict() };
}

describe.each(Object.keys(modelStyles))("a changing collection listed by %s", name => {
  const isSilent = ["cursor", "header-cursor", "next-url"].includes(name);
  const { mayMiss, mayRepeat } = standingOf(modelStyles[name]!.list);

  it("loses and repeats standing rows only as the style states, and the verdict says that it may have", async () => {
    await fc.assert(
      fc.asyncProperty(
        ids,
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.array(change, { maxLength: 3 }), { maxLength: 12 }),
        async (start, pageSize, changes) => {
          const { missed, repeated, verdict } = await listChanging(name, start, pageSize, changes);
          // A page that is pushed back again and again looks like a circle: then the end is loud.
          if (verdict.verdict === "partial")
            expect({ mayRepeat, code: verdict.reasons[0]?.code }).toEqual({ mayRepeat: true, code: "UPSTREAM_LISTING" });
          if (!mayMiss || !verdict.evidence.mayHaveMissed) expect(missed).toEqual([]);
          if (!mayRepeat || !verdict.evidence.mayHaveRepeated) expect(repeated).toEqual([]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("visits every row of a quiet table once at any page size", async () => {
    await fc.assert(
      fc.asyncProperty(ids, fc.integer({ min: 1, max: 45 }), async (start, pageSize) => {
        const { missed, repeated, verdict } = await listChanging(name, start, pageSize, []);
        expect({ missed, repeated }).toEqual({ missed: [], repeated: [] });
        // Where only the lack of a cursor says that it is over, a full last page leaves a doubt.
        const isOpen = isSilent && start.length > 0 && start.length % pageSize === 0;
        expect(verdict.verdict).toBe(isOpen ? "unknown" : "complete");
      }),
      { numRuns: 60 },
    );
  });
});

describe.each(["offset", "numbered"])("a changing collection listed by %s", name => {
  const rows = [1, 2, 3, 4, 5, 6];
  it("does lose the row after a page when one before it is deleted", async () => {
    expect((await listChanging(name, rows, 2, [[["delete", 1]]])).missed).toEqual([3]);
  });
  it("does repeat the last row of a page when one is inserted before it", async () => {
    expect((await listChanging(name, rows, 2, [[["insert", 0]]])).repeated).toEqual([2]);
  });
});

describe.each(["oldest-first", "newest-first"] as const)(
  "a listing by the last change, %s, whose rows are edited meanwhile",
  order => {
    const list = { ...modelStyles["keyset"]!.list, order, isOrderChangedByEdits: true };
    const sign = order === "oldest-first" ? 1 : -1;
    const size = 2;

    /** Lists rows by their last change; an edit makes a row the latest. */
    async function listEdited(length: number, edits: readonly (readonly number[])[]) {
      const rows = new Map(Array.from({ length }, (_, id) => [id, id]));
      let latest = length;
      const upstream = modelUpstream(({ query = {} }) => {
        const sorted = [...rows].map(([id, at]) => ({ row: id, id: at })).sort((a, b) => sign * (a.id - b.id));
        const after = query["after"];
        const rest = sorted.filter(({ id }) => after === undefined || sign * (id - Number(after)) > 0);
        return { body: { rows: rest.slice(0, size), more: rest.length > size } };
      });
      const evidence = new Evidence(list);
      const came: number[] = [];
      let page = 0;
      for await (const each of readPages(upstream, walkOf(list, { from: "", to: "" }), context)) {
        const ids = each.records.map(record => (record as { row: number }).row);
        evidence.add(
          each,
          ids.map(id => ({ key: String(id), isBroken: false })),
        );
        came.push(...ids);
        if (each.next !== null) for (const id of edits[page++] ?? []) if (id < length) rows.set(id, latest++);
      }
      return { missed: [...rows.keys()].filter(id => !came.includes(id)), came, evidence: evidence.verdict().evidence };
    }

    it("misses and repeats edited rows only as stated, and the verdict says that it may have", async () => {
      const edits = fc.array(fc.array(fc.nat(20), { maxLength: 2 }), { maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(fc.nat(20), edits, async (length, edited) => {
          const { missed, came, evidence } = await listEdited(length, edited);
          if (order === "oldest-first" || !evidence.mayHaveMissed) expect(missed).toEqual([]);
          if (order === "newest-first" || !evidence.mayHaveRepeated) expect(new Set(came).size).toBe(came.length);
        }),
      );
    });

    it("does so at all", async () => {
      const { missed, came } = await listEdited(6, [[order === "oldest-first" ? 0 : 1]]);
      expect({ missed, repeats: came.length - new Set(came).size }).toEqual(
        order === "oldest-first" ? { missed: [], repeats: 1 } : { missed: [1], repeats: 0 },
      );
    });
  },
);
