// The editor asks for its workers while its module is evaluated, so this module must be the page's first import.
const files = { json: "json.worker.js", graphql: "graphql.worker.js" };

globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(new URL(`./${files[label] ?? "editor.worker.js"}`, import.meta.url), { name: label }),
};
