/** The files of a new source, by name: a declaration that compiles, an imitation that answers, and a README to fill in. */
export const scaffold = (name: string): Readonly<Record<string, string>> => ({
  "source.ts": declaration(name),
  "sandbox.ts": imitation(name),
  "README.md": readme(name),
});

const variable = (name: string): string => `${name.toUpperCase()}_API_KEY`;

const declaration = (name: string): string => `import { z } from "zod";
import * as t from "../../src/source/index.ts";

/** Only what is used. @see the provider's reference of this record */
const personRecord = z.object({
  id: z.string(),
  name: z.string().nullish(),
  email: z.string().nullish(),
  created_at: z.string(),
});

export default t.defineSource({
  name: "${name}",
  title: "${name}",
  version: "v1",
  client: {
    baseUrl: "https://api.example.com",
    auth: t.bearer({ secret: "${variable(name)}" }),
    limits: [t.window({ requests: 10, windowMs: 1000 })],
  },
  collections: {
    persons: t.collection({
      canonical: "Customer",
      contract: personRecord,
      list: {
        request: () => t.get("persons.list", "/persons"),
        items: "data[*]",
        pages: t.cursorPages({ next: "after", cursorParameter: "after", sizeParameter: "limit", maxPageSize: 100 }),
        order: "oldest-first",
      },
      lookup: t.eachLookup({ request: key => t.get("persons.get", \`/persons/\${encodeURIComponent(key)}\`) }),
      freshness: { cacheMs: 30_000, mirrorMs: 900_000 },
      identity: { onePerCustomer: true },
      survivorship: { rank: 9 },
      map: {
        key: t.key("id"),
        name: t.text("name"),
        email: t.email("email"),
        phone: t.literal(null),
        company: t.literal(null),
        country: t.literal(null),
        status: t.literal(null),
        createdAt: t.rfc3339("created_at"),
      },
    }),
  },
});
`;

const imitation = (name: string): string => `import type { Imitation } from "../../src/sandbox/imitation.ts";
import type { Population } from "../../src/sandbox/population.ts";

const KEY = "${name}_sandbox_key";

/** The record at a position of the listing. */
function personAt(population: Population, position: number) {
  const { person, copy } = population.traces("${name}").at(position);
  const { fullName, email } = population.rendering(person, "${name}", copy);
  return {
    id: String(position + 1),
    name: fullName,
    email,
    created_at: new Date(population.recordedAt(person, "${name}", copy)).toISOString(),
  };
}

const imitation: Imitation = {
  name: "${name}",
  environment: origin => ({ ${name.toUpperCase()}_BASE_URL: \`\${origin}/${name}\`, ${variable(name)}: KEY }),
  mount(app, { population }) {
    const { length } = population.traces("${name}");
    app.addHook("preHandler", async (request, reply) => {
      if (request.headers.authorization !== \`Bearer \${KEY}\`) await reply.code(401).send({ error: "unauthorized" });
    });
    app.get("/persons", request => {
      const { after = "0", limit = "100" } = request.query as { after?: string; limit?: string };
      const start = Number(after);
      const end = Math.min(length, start + Math.min(100, Number(limit)));
      const data = Array.from({ length: end - start }, (_, index) => personAt(population, start + index));
      return { data, after: end < length ? String(end) : null };
    });
    app.get("/persons/:id", async (request, reply) => {
      const position = Number((request.params as { id: string }).id) - 1;
      if (!(position >= 0 && position < length)) return reply.code(404).send({ error: "not found" });
      return personAt(population, position);
    });
  },
  records(population, person) {
    const position = population.traces("${name}").positionOf(person, 0);
    return position < 0 ? [] : [{ collection: "persons", key: String(position + 1) }];
  },
};

export default imitation;
`;

const readme = (name: string): string => `# ${name}

What it is, and which of its records become which canonical entity.

Facts relied on, each with where the provider writes it and the day it was seen:

- address: https://api.example.com
- authentication: bearer key in \`${variable(name)}\`
- limits: 10 requests per second
- paging: opaque cursor, 100 a page

Settings: \`${name.toUpperCase()}_BASE_URL\` (replaces the address), \`${variable(name)}\`.
`;
