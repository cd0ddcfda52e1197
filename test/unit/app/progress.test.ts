import { describe, expect, it } from "@jest/globals";
import { showProgress } from "../../../src/app/progress.ts";

const outputOf = (more: { isTTY?: boolean; rows?: number; columns?: number } = {}) => {
  const written: string[] = [];
  return { written, output: { ...more, write: (text: string) => written.push(text) } };
};
const at = (collection: string, records: number, total?: number) =>
  ({ stage: "pull", source: "crm", collection, pages: 1, records, ...(total !== undefined && { total }) }) as const;

const escape = "\u001b";

describe("progress", () => {
  it("is plain lines where nobody can redraw them, and not one for every page", () => {
    const { written, output } = outputOf();
    const { show, end } = showProgress(output);
    for (let records = 1; records < 1_000; records++) show(at("people", records));
    end();
    expect(written[0]).toBe("pull crm.people: 1 pages, 1 records\n");
    expect(written.length).toBeLessThan(5);
    expect(written.join("")).not.toContain(escape);
  });

  it("is a bar for each collection on a terminal, with the share where the total is known", () => {
    const { written, output } = outputOf({ isTTY: true, columns: 200 });
    const { show, end } = showProgress(output);
    show(at("people", 5));
    show(at("deals", 30, 40));
    end();
    const last = written.at(-1)!;
    expect(last.startsWith(`${escape}[2A`)).toBe(true);
    expect(last).toContain("crm.people");
    expect(last).toMatch(/crm\.deals .*█{18}░{6} {2}75 % .*30 of 40 records/);
  });

  it("fits the screen", () => {
    const { written, output } = outputOf({ isTTY: true, rows: 5, columns: 30 });
    const { show, end } = showProgress(output);
    for (const name of ["a", "b", "c", "d", "e"]) show(at(`a-collection-with-a-long-name-${name}`, 1, 9));
    end();
    const lines = written
      .at(-1)!
      .replaceAll(escape, "")
      .replaceAll(/\[\d*[AK]/g, "")
      .trimEnd()
      .split("\n");
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line.length).toBeLessThan(30);
  });
});
