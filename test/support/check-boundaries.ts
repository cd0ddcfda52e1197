/** Runs dependency-cruiser and refuses a green report that read nothing: an analyser that cannot parse the tree exits 0 too. */
import { spawnSync } from "node:child_process";

const run = spawnSync(
  "depcruise",
  ["src", "resolvers", "datasources", "--config", ".dependency-cruiser.cjs", "--output-type", "json"],
  {
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
  },
);
if (run.error) throw run.error;
const { modules, summary } = JSON.parse(run.stdout) as {
  modules: { source: string }[];
  summary: {
    totalDependenciesCruised: number;
    violations: { rule: { name: string; severity: string }; from: string; to: string }[];
  };
};
const own = modules.filter(module => /^(src|resolvers|datasources)\/.*\.ts$/.test(module.source));
for (const { rule, from, to } of summary.violations) console.error(`${rule.severity} ${rule.name}: ${from} → ${to}`);
if (own.length < 20 || summary.totalDependenciesCruised < own.length) {
  console.error(
    `boundaries: only ${own.length} modules and ${summary.totalDependenciesCruised} imports were read; the analyser did not see the tree`,
  );
  process.exit(1);
}
console.log(
  `boundaries: ${own.length} modules, ${summary.totalDependenciesCruised} imports, ${summary.violations.length} violations`,
);
process.exit(summary.violations.length === 0 ? 0 : 1);
