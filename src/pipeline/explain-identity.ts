import { RequestError } from "../core/errors.ts";
import { quoted } from "../mapping/sql-text.ts";
import type { Catalog } from "../source/catalog.ts";
import { IdentityDecisions } from "../store/identity-decisions.ts";
import { type DatasetBench, findDataset, openDataset } from "./dataset-reader.ts";

/** One step from record to record, and what it rests on. */
export interface EvidenceStep {
  readonly from: string;
  readonly to: string;
  readonly rule: "decision" | "key" | "likeness";
  /** `<space>=<value>` of a key; of likeness the fields with the levels that they reach. */
  readonly evidence: string | null;
  /** Of likeness: the log-odds (base 2) that they are one, in bits. */
  readonly weight: string | null;
}

/** Why two records are one customer, or what keeps them apart. */
export interface IdentityExplanation {
  readonly version: string;
  readonly a: { readonly record: string; readonly customer: string };
  readonly b: { readonly record: string; readonly customer: string };
  /** From the one to the other; null when they are two customers. */
  readonly path: readonly EvidenceStep[] | null;
  /** What is known to keep their customers apart; empty when nothing does but too little evidence. */
  readonly apart: readonly string[];
}

interface ExplainIdentityOptions {
  readonly catalog: Catalog;
  readonly home: string;
  /** The version that was built last unless given. */
  readonly version?: string;
}

/** Explains who is who of two records, each as `<source>.<collection>:<key>`, from the evidence that the build has kept. Throws `REQUEST_INVALID`. */
export async function explainIdentity(
  { catalog, home, version }: ExplainIdentityOptions,
  [first, second]: readonly [string, string],
): Promise<IdentityExplanation> {
  const dataset = await findDataset(home, version);
  const bench = await openDataset(dataset);
  try {
    const [a, b] = [await findRecord(bench, first), await findRecord(bench, second)];
    const facts = { version: dataset.manifest.version, a, b };
    if (a.customer === b.customer)
      return { ...facts, path: pathBetween(await edgesOf(bench, a.customer), first, second), apart: [] };
    return { ...facts, path: null, apart: await apartBecause({ catalog, home }, bench, [a.customer, b.customer]) };
  } finally {
    await bench.close();
  }
}

async function findRecord(bench: DatasetBench, record: string): Promise<IdentityExplanation["a"]> {
  const [row] = await bench.rows(`SELECT customer_id FROM identities WHERE id = ${quoted(record)}`);
  if (row !== undefined) return { record, customer: row["customer_id"]! };
  const [example] = await bench.rows("SELECT min(id) AS id FROM identities");
  throw new RequestError(
    "REQUEST_INVALID",
    `the dataset has no customer's record "${record}": give <source>.<collection>:<key>, such as ${example?.["id"] ?? "none, it is empty"}`,
  );
}

async function edgesOf(bench: DatasetBench, customer: string): Promise<readonly EvidenceStep[]> {
  const rows = await bench.rows(`
    SELECT a AS "from", b AS "to", rule, evidence, weight FROM identity_edges JOIN identities ON identities.id = a
    WHERE customer_id = ${quoted(customer)} ORDER BY a, b`);
  return rows.map(row => row as unknown as EvidenceStep);
}

/** The edges of a customer are a tree, so there is one path. */
function pathBetween(edges: readonly EvidenceStep[], from: string, to: string): readonly EvidenceStep[] {
  const paths = new Map<string, readonly EvidenceStep[]>([[from, []]]);
  for (const [record, path] of paths) {
    for (const edge of edges) {
      const step = edge.from === record ? edge : edge.to === record ? { ...edge, from: edge.to, to: edge.from } : null;
      if (step !== null && !paths.has(step.to)) paths.set(step.to, [...path, step]);
    }
  }
  return paths.get(to) ?? [];
}

async function apartBecause(
  { catalog, home }: ExplainIdentityOptions,
  bench: DatasetBench,
  [one, two]: readonly [string, string],
): Promise<readonly string[]> {
  const rows = await bench.rows(`
    SELECT customer_id, id, source || '.' || collection AS collection FROM identities
    WHERE customer_id IN (${quoted(one)}, ${quoted(two)}) ORDER BY id`);
  const records = (customer: string) => rows.filter(row => row["customer_id"] === customer);
  const [ofOne, ofTwo] = [records(one), records(two)];
  const single = catalog.of("Customer").filter(({ id, collection }) => {
    const isIn = (some: typeof rows) => some.some(row => row["collection"] === id);
    return collection.identity?.onePerCustomer === true && isIn(ofOne) && isIn(ofTwo);
  });
  const reaches = (record: string) =>
    rows.some(row => row["id"] === record) ? rows.find(row => row["id"] === record)!["customer_id"] : null;
  const unlinked = (await new IdentityDecisions(home).list()).filter(
    ({ type, a, b }) => type === "unlink" && [one, two].every(customer => [a, b].some(record => reaches(record) === customer)),
  );
  return [
    ...single.map(({ id }) => `both have a record of ${id}, which holds one record of a customer`),
    ...unlinked.map(({ id, a, b }) => `decision ${id} says that ${a} and ${b} are not one`),
  ];
}
