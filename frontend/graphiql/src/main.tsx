import "./monaco/workers";
import "./csp/nonce";
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "@graphiql/plugin-explorer/style.css";
import "graphiql/graphiql.css";
import "./style.css";

import { createRoot } from "react-dom/client";

import { App } from "./App";

/** The page is served where the operations go, so the key and the cookies never leave this origin. */
const endpoint = new URL(location.pathname, location.origin);

createRoot(document.getElementById("root")!).render(<App endpoint={endpoint} />);
