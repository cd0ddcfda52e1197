import { parseJson } from "../../../src/core/json.ts";
import { recordText } from "../../../src/mapping/record-text.ts";
import { contractBreaks, mappingOf } from "../../../src/upstream/decode.ts";
import { examinerOf } from "../../../src/upstream/drift/examine.ts";
import { LearnedFields } from "../../../src/upstream/drift/learned-fields.ts";
import { catalog, openStage, recordsOf } from "../../contract/stage.ts";

/** What it costs to hold a sound record against what was agreed: ns for each record, the best of 7 rounds. */
const ROUNDS = 7;
const RECORDS_A_ROUND = 40_000;

function nsOf<T>(records: readonly T[], work: (record: T) => unknown): number {
  const repeats = Math.ceil(RECORDS_A_ROUND / records.length);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const started = process.hrtime.bigint();
    for (let repeat = 0; repeat < repeats; repeat++) for (const record of records) work(record);
    best = Math.min(best, Number(process.hrtime.bigint() - started) / (repeats * records.length));
  }
  return Math.round(best);
}

const stage = await openStage(150);
const rows: object[] = [];
for (const entry of catalog.entries) {
  const { id, collection } = entry;
  const records = await recordsOf(stage, entry);
  const fields = new LearnedFields(collection, null);
  for (const record of records) fields.add(record);
  const { known } = new LearnedFields(collection, fields.after());
  const examine = examinerOf(collection);
  rows.push({
    collection: id,
    fields: fields.after().length,
    "parse JSON": nsOf(
      records.map(record => recordText(record)),
      text => parseJson(text),
    ),
    "contract alone": nsOf(records, record => contractBreaks(entry, record)),
    examined: nsOf(records, record => examine(record)),
    "with unknown fields": nsOf(records, record => examine(record, { known })),
    map: nsOf(records, record => mappingOf(entry).read(record)),
  });
}
console.table(rows);
await stage.close();
