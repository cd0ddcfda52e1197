import { glob, mkdir } from "node:fs/promises";
import { openBench } from "../../../src/mapping/bench.ts";
import { quoted } from "../../../src/mapping/sql-text.ts";

/**
 * The least that the work can be: what somebody writes by hand in DuckDB's SQL to get from the same kept responses to the same tables as Parquet, in the same order and
 * compressed alike. Who is who is given, numbers go through doubles, and nothing is checked: no contract, no drift, no issues, no quarantine, no features.
 * @param members a file of `identities` that a build made
 */
export async function buildFloor(home: string, members: string, folder: string, memoryMib: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const bench = await openBench(`${folder}/spill`, { memoryMib });
  try {
    const part = async (name: string, sql: string) => {
      await bench.run(`CREATE TABLE ${name} AS ${sql}`);
    };
    const records = async (collection: string, items: string) => {
      const files: string[] = [];
      for await (const file of glob(`${home}/raw/${collection}/*/*.ndjson.zst`)) files.push(file);
      const body = "{sha256: 'VARCHAR', \"receivedAt\": 'TIMESTAMP', body: 'VARCHAR'}";
      return `
        SELECT sha256 || '#' || ${quoted(items.replace("$.", "/").replace("$", "").replace("[*]", "/"))} || "index" AS raw, fetched_at, r FROM (
          SELECT sha256, "receivedAt" AS fetched_at, unnest(range(len(rows))) AS "index", unnest(rows) AS r FROM (
            SELECT *, json_extract(body, ${quoted(items)}) AS rows
            FROM read_ndjson([${files.map(quoted).join(", ")}], columns = ${body}, compression = 'zstd', maximum_object_size = 33554432)))`;
    };
    const text = (path: string) => `nullif(trim(r ->> '$.${path}'), '')`;
    const person = (source: string, paths: Record<string, string>) => `
      ${quoted(source)} AS source, raw, fetched_at, r ->> '$.id' AS key, ${paths["name"]} AS name, lower(${paths["email"]}) AS email,
      regexp_replace(${paths["phone"]}, '[^0-9+]', '', 'g') AS phone, ${paths["company"]} AS company, upper(${paths["country"]}) AS country,
      ${paths["status"]} AS status, ${paths["since"]} AS created_at`;
    const property = (name: string) => text(`properties.${name}`);
    await part(
      "people",
      `
      SELECT ${person("hubspot", { name: `concat_ws(' ', ${property("firstname")}, ${property("lastname")})`, email: property("email"), phone: property("phone"), company: property("company"), country: property("country"), status: `CASE ${property("lifecyclestage")} WHEN 'opportunity' THEN 'TRIAL' WHEN 'customer' THEN 'ACTIVE' WHEN 'evangelist' THEN 'ACTIVE' WHEN 'other' THEN 'CHURNED' ELSE 'LEAD' END`, since: `(${property("createdate")})::TIMESTAMPTZ::TIMESTAMP` })}
      FROM (${await records("hubspot/contacts", "$.results[*]")})
      UNION ALL SELECT ${person("stripe", { name: text("name"), email: text("email"), phone: text("phone"), company: text("metadata.company"), country: text("address.country"), status: `CASE r ->> '$.delinquent' WHEN 'true' THEN 'PAST_DUE' ELSE 'ACTIVE' END`, since: `epoch_ms((r ->> '$.created')::BIGINT * 1000)` })}
      FROM (${await records("stripe/customers", "$.data[*]")})
      UNION ALL SELECT ${person("zendesk", { name: text("name"), email: text("email"), phone: text("phone"), company: text("user_fields.company"), country: text("user_fields.country"), status: "NULL", since: `(${text("created_at")})::TIMESTAMPTZ::TIMESTAMP` })}
      FROM (${await records("zendesk/users", "$.users[*]")})`,
    );
    await part("member", `SELECT source, key, customer_id, "collection" FROM read_parquet(${quoted(members)})`);
    const survivor = (column: string) =>
      `first(${column} ORDER BY source, people.key) FILTER (${column} IS NOT NULL) AS ${column}`;
    await part(
      "customers",
      `
      SELECT customer_id AS id, ${["name", "email", "phone", "company", "country", "status", "created_at"].map(survivor).join(", ")},
        list(source || '.' || "collection" || ':' || people.key ORDER BY source, people.key) AS source_keys, max(fetched_at) AS event_timestamp, max(fetched_at) AS created_timestamp
      FROM people JOIN member USING (source, key) GROUP BY customer_id`,
    );
    await part(
      "identities",
      `SELECT source || '.' || "collection" || ':' || key AS id, source, "collection", key, customer_id, fetched_at AS event_timestamp, fetched_at AS created_timestamp, raw FROM people JOIN member USING (source, key)`,
    );
    await bench.run("DROP TABLE people");
    const at = (path: string) => `epoch_ms((r ->> '$.${path}')::BIGINT * 1000)`;
    await part(
      "invoices",
      `
      SELECT 'stripe.invoices:' || i.key AS id, 'stripe' AS source, 'invoices' AS "collection", customer_id, i.* EXCLUDE (raw, fetched_at), least(greatest(issued_at, paid_at), fetched_at) AS event_timestamp, fetched_at AS created_timestamp, raw FROM (
        SELECT r ->> '$.id' AS key, r ->> '$.customer' AS customer, ${text("number")} AS number,
          ((r ->> '$.total')::DOUBLE / CASE WHEN r ->> '$.currency' IN ('jpy', 'krw', 'clp', 'vnd') THEN 1 ELSE 100 END)::DECIMAL(38, 10) AS amount,
          upper(r ->> '$.currency') AS currency, upper(r ->> '$.status') AS status, ${at("created")} AS issued_at, ${at("due_date")} AS due_at,
          ${at("status_transitions.paid_at")} AS paid_at, raw, fetched_at
        FROM (${await records("stripe/invoices", "$.data[*]")})) AS i LEFT JOIN member ON member.source = 'stripe' AND member.key = i.customer`,
    );
    const instant = (path: string) => `(${text(path)})::TIMESTAMPTZ::TIMESTAMP`;
    await part(
      "tickets",
      `
      SELECT 'zendesk.tickets:' || t.key AS id, 'zendesk' AS source, 'tickets' AS "collection", customer_id, t.* EXCLUDE (raw, fetched_at), least(updated_at, fetched_at) AS event_timestamp, fetched_at AS created_timestamp, raw FROM (
        SELECT r ->> '$.id' AS key, r ->> '$.requester_id' AS customer, ${text("subject")} AS subject,
          CASE r ->> '$.status' WHEN 'hold' THEN 'ON_HOLD' ELSE upper(r ->> '$.status') END AS status, upper(r ->> '$.priority') AS priority,
          ${instant("created_at")} AS created_at, ${instant("updated_at")} AS updated_at, raw, fetched_at
        FROM (${await records("zendesk/tickets", "$.tickets[*]")}) WHERE r ->> '$.status' <> 'deleted'
      ) AS t LEFT JOIN member ON member.source = 'zendesk' AND member.key = t.customer`,
    );
    await part(
      "exchange_rates",
      `
      SELECT 'fx.rates:' || concat_ws(':', r ->> '$.base', r ->> '$.quote', r ->> '$.date') AS id, 'fx' AS source, 'rates' AS "collection", r ->> '$.base' AS base,
        r ->> '$.quote' AS quote, (r ->> '$.date')::DATE AS day, (r ->> '$.rate')::DECIMAL(38, 10) AS rate, fetched_at AS event_timestamp, fetched_at AS created_timestamp, raw
      FROM (${await records("fx/rates", "$[*]")})`,
    );
    for (const table of ["customers", "identities", "invoices", "tickets", "exchange_rates"])
      await bench.run(
        `COPY (FROM ${table} ORDER BY id) TO ${quoted(`${folder}/${table}.parquet`)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)`,
      );
  } finally {
    bench.close();
  }
}
