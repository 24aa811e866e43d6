/** GraphiQL under a bar for the API key. */
import { HISTORY_PLUGIN } from "@graphiql/plugin-history";
import { explorerPlugin } from "@graphiql/plugin-explorer";
import { useGraphiQL } from "@graphiql/react";
import { GraphiQL } from "graphiql";
import { useEffect, useMemo, useRef, useState } from "react";

import { EXAMPLES } from "./examples";
import { type Access, connect } from "./fetcher";
import { KeyBar } from "./KeyBar";
import { type KeyChoice, loadKey, storeKey } from "./key";
import { SCALARS } from "./scalars";

const EXPLORER = explorerPlugin({});
const PLUGINS = [HISTORY_PLUGIN, { ...EXPLORER, title: "Explorer" }];
export function App({ endpoint }: { endpoint: URL }) {
  const [choice, setChoice] = useState(loadKey);
  const [access, setAccess] = useState<Access>("unknown");
  const connection = useMemo(
    () => connect(endpoint, choice.key, (heard) => setAccess((before) => (saysMore(heard, before) ? heard : before))),
    [endpoint, choice.key],
  );
  useEffect(() => () => connection.dispose(), [connection]);

  const change = (next: KeyChoice) => {
    storeKey(next);
    if (next.key !== choice.key) setAccess("unknown");
    setChoice(next);
  };
  return (
    <>
      <KeyBar choice={choice} access={access} onChange={change} />
      {/* A new fetcher makes it read the schema again: the new key may be the first that is let in. */}
      <GraphiQL
        fetcher={connection.fetcher}
        plugins={PLUGINS}
        defaultTabs={EXAMPLES}
        customScalarSchemas={SCALARS}
        defaultEditorToolsVisibility="variables"
        inputValueDeprecation
        schemaDescription
      >
        <GraphiQL.Logo>{null}</GraphiQL.Logo>
        <ForgetRefusal />
      </GraphiQL>
    </>
  );
}

/** Whether what was heard of a key replaces what was known: an accepted one stays so when an operation fails. */
const saysMore = (heard: Access, before: Access): boolean => typeof heard === "string" || before !== "accepted";

/** Empties the answer once the schema was read, if what it shows is why the schema could not be read before. */
function ForgetRefusal() {
  const { fetchError, responseEditor, schema } = useGraphiQL((state) => ({
    fetchError: state.fetchError,
    responseEditor: state.responseEditor,
    schema: state.schema,
  }));
  const refusal = useRef<string | null>(null);
  useEffect(() => {
    if (fetchError) refusal.current = fetchError;
    else if (schema && refusal.current === responseEditor?.getValue()) responseEditor?.setValue("");
  }, [fetchError, responseEditor, schema]);
  return null;
}
