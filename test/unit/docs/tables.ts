import { errorTable } from "../../../src/core/errors.ts";
import { settings } from "../../../src/app/config.ts";

/** A Markdown table, its columns aligned as the formatter aligns them. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map(row => row.map(cell => cell.replaceAll("|", "\\|")));
  const widths = head.map((_name, column) => Math.max(...cells.map(row => row[column]?.length ?? 0)));
  const lineOf = (row: readonly string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const [first = [], ...rest] = cells;
  return [lineOf(first), lineOf(widths.map(width => "-".repeat(width))), ...rest.map(lineOf)].join("\n");
}

const errorsIntroduction = `# Errors

Every error that the graph answers and every line in which a command fails has one of these codes. A code never changes its meaning. This file is
generated from \`src/core/errors.ts\`: \`UPDATE_DOCS=1 npm test -- test/unit/docs\` writes it anew.

An error in a GraphQL answer carries its facts in \`extensions\`; what is not known is absent:

- \`code\`: one of the codes below. A query that is not valid GraphQL has the code that Apollo Server gives it, e.g. \`GRAPHQL_VALIDATION_FAILED\`.
- \`source\`, \`collection\`: where it happened.
- \`httpStatus\`: what the source answered with. \`attempts\`: how often it was asked.
- \`retryable\`: whether asking again can help; an error may state otherwise than its code does by default. \`retryAfterMs\`: when to come back, in ms.
- \`limit\`, \`value\`: of a query beyond a limit. \`candidates\`: canonical ids that an ambiguous key may mean.
- \`requestId\`: what the log has it under.
`;

/** `docs/errors.md`, from the error table. */
export function errorsDocument(): string {
  const sections = Object.entries(errorTable).map(([name, codes]) => {
    const rows = Object.entries(codes).map(([code, { retryable, remedy }]) => [`\`${code}\``, retryable ? "yes" : "no", remedy]);
    return `\n## ${name}Error\n\n${tableOf(["code", "retryable", "what to do"], rows)}\n`;
  });
  return `${errorsIntroduction}${sections.join("")}`;
}

/** The table of settings, from what the configuration reads. */
export const settingsTable = (): string =>
  tableOf(
    ["variable", "default", "meaning"],
    Object.entries(settings).map(([name, { fallback, meaning }]) => [
      `\`${name}\``,
      fallback === "" ? "" : `\`${fallback}\``,
      meaning,
    ]),
  );
