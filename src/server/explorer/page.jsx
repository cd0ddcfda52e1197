import "./workers.js";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { createRoot } from "react-dom/client";
import "./page.css";
import { ownStorage } from "./own-storage.js";
import { explorerQueries } from "./queries.ts";
import { send } from "./send.js";

function Logo() {
  return (
    <span className="explorer-logo">
      <svg
        width="20"
        height="20"
        viewBox="0 0 32 32"
        fill="none"
        stroke="#0b6e8f"
        strokeWidth="4"
        strokeLinecap="round"
        aria-hidden="true"
      >
        <path d="M5 4c0 10 11 8 11 24M27 4c0 10-11 8-11 24M16 3v25" />
      </svg>
      Tributary
    </span>
  );
}

createRoot(document.getElementById("explorer")).render(
  <GraphiQL
    fetcher={send}
    storage={ownStorage}
    defaultTabs={explorerQueries.map(({ query }) => ({ query }))}
    defaultQuery=""
    defaultTheme="light"
    defaultEditorToolsVisibility={false}
    plugins={[HISTORY_PLUGIN]}
  >
    <GraphiQL.Logo>
      <Logo />
    </GraphiQL.Logo>
  </GraphiQL>,
);
