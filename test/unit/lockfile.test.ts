import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";

interface Locked {
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as { packages: Readonly<Record<string, Locked>> };

describe("package-lock.json", () => {
  it("names no download address, so that every registry serves it", () => {
    expect(Object.keys(packages).length).toBeGreaterThan(300);
    expect(Object.entries(packages).filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });

  it("has every optional package of every platform; `npm ci` refuses a lockfile that lacks one, on any platform", () => {
    const names = new Set(
      Object.keys(packages).map(path => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)),
    );
    const wanted = Object.values(packages).flatMap(({ optionalDependencies }) => Object.keys(optionalDependencies ?? {}));
    expect(wanted.length).toBeGreaterThan(50);
    expect(wanted.filter(name => !names.has(name))).toEqual([]);
  });
});
