import { customerIdOf } from "../core/ids.ts";
import { matchEmail } from "./match-email.ts";

/** One record of a collection of customers, with what it says about who it is. */
export interface IdentityRecord {
  /** `<source>.<collection>`. */
  readonly collection: string;
  readonly key: string;
  /** Canonical e-mail, or null. */
  readonly email: string | null;
  /** Explicit keys: a space and a value in it. */
  readonly clues: readonly { readonly space: string; readonly value: string }[];
}

/** The records that are one customer. `id` is a function of its members alone. */
export interface Cluster {
  readonly id: string;
  /** Sorted by collection, then key. */
  readonly members: readonly IdentityRecord[];
}

/** Why two records were, or were not, put together. */
export interface Edge {
  readonly rule: "explicit-key" | "email";
  /** `<space>=<value>`. */
  readonly evidence: string;
  readonly a: string;
  readonly b: string;
  /** False when merge protection refused it. */
  readonly isAccepted: boolean;
}

export interface Resolution {
  readonly clusters: readonly Cluster[];
  readonly edges: readonly Edge[];
}

/** An e-mail on more records than this is nobody's own. */
const MAX_RECORDS_PER_EMAIL = 8;

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const recordId = (record: IdentityRecord): string => `${record.collection}:${record.key}`;

/**
 * Puts records together by explicit keys, then by e-mail. Two records of a collection that holds one record a customer, or two
 * values in one key space, are never in one cluster. The result does not depend on the order of the records.
 * @param onePerCustomer ids of the collections that hold at most one record of a customer
 */
export function resolveIdentity(records: Iterable<IdentityRecord>, onePerCustomer: ReadonlySet<string>): Resolution {
  const sorted = [...records].sort((a, b) => compareText(recordId(a), recordId(b)));
  const clusters = new Clusters(sorted, onePerCustomer);
  const edges = [...explicitEdges(sorted), ...emailEdges(sorted, onePerCustomer)].map(candidate => ({
    rule: candidate.rule,
    evidence: candidate.evidence,
    a: recordId(candidate.a),
    b: recordId(candidate.b),
    isAccepted: clusters.merge(recordId(candidate.a), recordId(candidate.b)),
  }));
  return { clusters: clusters.all().map(members => ({ id: customerIdOf(smallestId(members)), members })), edges };
}

/** The smallest record id among the members stands for all, so that a new, larger member changes nothing. */
const smallestId = (members: readonly IdentityRecord[]): string => members.map(recordId).reduce((a, b) => (a < b ? a : b));

interface Candidate {
  readonly rule: Edge["rule"];
  readonly evidence: string;
  readonly a: IdentityRecord;
  readonly b: IdentityRecord;
}

/** Neighbours among the records that carry the same explicit key, by key in code unit order. */
function explicitEdges(records: readonly IdentityRecord[]): Candidate[] {
  const byKey = new Map<string, IdentityRecord[]>();
  for (const record of records) {
    const own = { space: record.collection, value: record.key };
    for (const { space, value } of [own, ...record.clues]) append(byKey, `${space}=${value}`, record);
  }
  return chained(byKey, "explicit-key");
}

/** Neighbours among the records with the same mailbox, unless it is shared: on many records, or twice in a one-per-customer collection. */
function emailEdges(records: readonly IdentityRecord[], onePerCustomer: ReadonlySet<string>): Candidate[] {
  const byEmail = new Map<string, IdentityRecord[]>();
  for (const record of records) {
    const mailbox = record.email === null ? null : matchEmail(record.email);
    if (mailbox !== null) append(byEmail, `email=${mailbox}`, record);
  }
  for (const [mailbox, holders] of byEmail) if (isShared(holders, onePerCustomer)) byEmail.delete(mailbox);
  return chained(byEmail, "email");
}

function isShared(holders: readonly IdentityRecord[], onePerCustomer: ReadonlySet<string>): boolean {
  const single = holders.map(holder => holder.collection).filter(collection => onePerCustomer.has(collection));
  return holders.length > MAX_RECORDS_PER_EMAIL || new Set(single).size < single.length;
}

function append<T>(map: Map<string, T[]>, name: string, item: T): void {
  const items = map.get(name);
  if (items) items.push(item);
  else map.set(name, [item]);
}

function chained(byKey: ReadonlyMap<string, readonly IdentityRecord[]>, rule: Edge["rule"]): Candidate[] {
  return [...byKey]
    .sort(([a], [b]) => compareText(a, b))
    .flatMap(([evidence, holders]) => holders.slice(1).map((b, index) => ({ rule, evidence, a: holders[index]!, b })));
}

/** Disjoint sets whose merges are refused when two values of a must-be-unique key would meet. */
class Clusters {
  readonly #parent = new Map<string, string>();
  readonly #members = new Map<string, IdentityRecord[]>();
  /** Root → space → the one value in it. */
  readonly #unique = new Map<string, Map<string, string>>();

  constructor(records: readonly IdentityRecord[], onePerCustomer: ReadonlySet<string>) {
    for (const record of records) {
      const id = recordId(record);
      const own = onePerCustomer.has(record.collection) ? [[record.collection, record.key] as const] : [];
      this.#parent.set(id, id);
      this.#members.set(id, [record]);
      this.#unique.set(id, new Map([...record.clues.map(({ space, value }) => [space, value] as const), ...own]));
    }
  }

  merge(a: string, b: string): boolean {
    const [rootA, rootB] = [this.#rootOf(a), this.#rootOf(b)];
    if (rootA === rootB) return true;
    const [keep, lose] = rootA < rootB ? [rootA, rootB] : [rootB, rootA];
    const [kept, lost] = [this.#unique.get(keep)!, this.#unique.get(lose)!];
    for (const [space, value] of lost) if (kept.has(space) && kept.get(space) !== value) return false;
    for (const [space, value] of lost) kept.set(space, value);
    this.#parent.set(lose, keep);
    this.#members.get(keep)!.push(...this.#members.get(lose)!);
    this.#members.delete(lose);
    return true;
  }

  all(): IdentityRecord[][] {
    const sorted = [...this.#members].sort(([a], [b]) => compareText(a, b));
    return sorted.map(([, members]) => members.sort((a, b) => compareText(recordId(a), recordId(b))));
  }

  #rootOf(id: string): string {
    let root = id;
    while (this.#parent.get(root) !== root) root = this.#parent.get(root)!;
    for (let at = id; at !== root;) {
      const next = this.#parent.get(at)!;
      this.#parent.set(at, root);
      at = next;
    }
    return root;
  }
}
