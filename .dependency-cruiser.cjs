/** One-way imports. See ARCHITECTURE.md for the picture this file enforces. */
const rooms = ["core", "source", "mapping", "upstream", "store", "identity", "gateway", "pipeline", "intake", "server", "sandbox", "app"];
const only = (name, from, allowed) => ({
  name,
  severity: "error",
  comment: `${from} may import only: ${allowed.join(", ")}`,
  from: { path: `^${from}/` },
  to: { path: "^(src|resolvers|datasources)/", pathNot: [from, ...allowed].map(p => `^${p}/`) },
});
module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    { name: "no-test-in-product", severity: "error", from: { path: "^(src|resolvers|datasources)/" }, to: { path: "^test/" } },
    { name: "rooms-are-known", severity: "error", from: {}, to: { path: "^src/[^/]+/", pathNot: `^src/(${rooms.join("|")})/` } },
    only("core", "src/core", []),
    only("source", "src/source", ["src/core"]),
    only("mapping", "src/mapping", ["src/core", "src/source"]),
    only("upstream", "src/upstream", ["src/core", "src/source", "src/mapping"]),
    only("identity", "src/identity", ["src/core", "src/source", "src/mapping"]),
    only("store", "src/store", ["src/core", "src/source", "src/mapping"]),
    only("gateway", "src/gateway", ["src/core", "src/source", "src/mapping", "src/upstream", "src/store", "src/identity"]),
    only("pipeline", "src/pipeline", ["src/core", "src/source", "src/mapping", "src/upstream", "src/store", "src/identity"]),
    only("intake", "src/intake", ["src/core", "src/source", "src/mapping", "src/upstream", "src/store", "src/identity"]),
    only("resolvers", "resolvers", ["src/core", "src/source", "src/mapping", "src/gateway"]),
    only("server", "src/server", ["src/core", "src/source", "src/mapping", "src/gateway", "resolvers"]),
    only("sandbox", "src/sandbox", []),
    {
      name: "datasource-declaration",
      severity: "error",
      comment: "a declaration sees src/source, src/core and its own folder",
      from: { path: "^datasources/([^/]+)/", pathNot: "sandbox[^/]*\\.ts$" },
      to: { path: "^(src|resolvers|datasources)/", pathNot: ["^src/(source|core)/", "^datasources/$1/"] },
    },
    {
      name: "datasource-imitation",
      severity: "error",
      comment: "an imitation never sees the product's code: only src/sandbox and its own folder",
      from: { path: "^datasources/([^/]+)/sandbox[^/]*\\.ts$" },
      to: { path: "^(src|resolvers|datasources)/", pathNot: ["^src/sandbox/", "^datasources/$1/sandbox"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: [".ts", ".js", ".json"] },
  },
};
