import type { FieldIssue } from "../mapping/compile-js.ts";

export interface IssueCount {
  readonly field: string;
  readonly code: string;
  readonly count: number;
}

/** How often which value could not be taken as it was, by collection and field. */
export class IssueCounts {
  readonly #counts = new Map<string, Map<string, IssueCount>>();

  count(collection: string, issues: readonly FieldIssue[]): void {
    if (issues.length === 0) return;
    const counts = this.#counts.get(collection) ?? new Map<string, IssueCount>();
    this.#counts.set(collection, counts);
    for (const { field, code } of issues) {
      const name = `${field} ${code}`;
      counts.set(name, { field, code, count: (counts.get(name)?.count ?? 0) + 1 });
    }
  }

  of(collection: string): readonly IssueCount[] {
    return [...(this.#counts.get(collection)?.values() ?? [])];
  }
}
