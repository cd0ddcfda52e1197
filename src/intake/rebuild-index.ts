import type { AnyEntity } from "../core/canonical.ts";
import { matchEmail } from "../identity/match-email.ts";
import { type Cluster, type IdentityRecord, resolveIdentity } from "../identity/resolve.ts";
import { survivorshipOrder } from "../identity/survivorship.ts";
import type { Catalog } from "../source/catalog.ts";
import type { IndexedCustomer } from "../store/customer-index.ts";
import type { MirrorRecord } from "../store/mirror.ts";
import type { FillParts } from "./fill.ts";

/** Finds out anew who is who from everything in the mirror. The result depends on the records alone. */
export async function rebuildIndex({
  catalog,
  mirror,
  index,
  decisions = async () => [],
}: FillParts): Promise<{ readonly customers: number; readonly records: number }> {
  const entries = catalog.of("Customer");
  const byEntry = new Map<string, ReadonlyMap<string, MirrorRecord>>();
  for (const entry of entries) {
    byEntry.set(entry.id, new Map((await mirror.all(entry.id)).map(record => [record.entity.key, record])));
  }
  const onePerCustomer = new Set(entries.filter(entry => entry.collection.identity?.onePerCustomer).map(entry => entry.id));
  const records = entries.flatMap(entry =>
    [...(byEntry.get(entry.id)?.values() ?? [])].map(record => identityRecord(entry.id, record)),
  );
  const clusters = await resolveIdentity(records, { onePerCustomer, decisions: await decisions() });
  const fieldOf = survivingField(catalog, byEntry);
  await index.replace(clusters.map(cluster => indexed(cluster, fieldOf)));
  return { customers: clusters.length, records: records.length };
}

const identityRecord = (collection: string, { entity, clues }: MirrorRecord): IdentityRecord => ({
  collection,
  key: entity.key,
  name: textOf(entity, "name"),
  email: textOf(entity, "email"),
  phone: textOf(entity, "phone"),
  company: textOf(entity, "company"),
  country: textOf(entity, "country"),
  clues,
});

const textOf = (entity: AnyEntity, field: string): string | null => {
  const value = entity[field];
  return typeof value === "string" ? value : null;
};

type FieldReader = (cluster: Cluster, field: string) => string | null;

/** Reads a customer's field as the graph would: by declared survivorship, the first that is not null. */
function survivingField(catalog: Catalog, byEntry: ReadonlyMap<string, ReadonlyMap<string, MirrorRecord>>): FieldReader {
  return (cluster, field) => {
    for (const entry of survivorshipOrder(catalog, field)) {
      for (const member of cluster.members) {
        const value = member.collection === entry.id ? byEntry.get(entry.id)?.get(member.key)?.entity[field] : null;
        if (typeof value === "string") return value;
      }
    }
    return null;
  };
}

function indexed(cluster: Cluster, fieldOf: FieldReader): IndexedCustomer {
  const clues = cluster.members.flatMap(member => member.clues);
  const mailboxes = cluster.members.flatMap(member => (member.email === null ? [] : [matchEmail(member.email) ?? member.email]));
  return {
    id: cluster.id,
    members: cluster.members.map(({ collection, key }) => ({ collection, key })),
    clues: [...clues, ...[...new Set(mailboxes)].map(value => ({ space: "email", value }))],
    country: fieldOf(cluster, "country"),
    status: fieldOf(cluster, "status"),
    createdAt: fieldOf(cluster, "createdAt"),
  };
}
