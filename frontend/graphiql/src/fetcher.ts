/**
 * Carries operations to the server: queries and mutations by POST, subscriptions by graphql-transport-ws.
 */
import type { Fetcher, FetcherParams } from "@graphiql/toolkit";
import { type DocumentNode, type ExecutionResult, getOperationAST, parse } from "graphql";
import { type Client, createClient } from "graphql-ws";

import { credentials } from "./key";

/** The media types of graphql-over-http: the new one tells errors by status, the old one is a fallback. */
const ACCEPT = "application/graphql-response+json, application/json;q=0.9";
const RETRIES = 5;

type OnAnswer = (accepted: boolean) => void;

export interface Connection {
  fetcher: Fetcher;
  /** Closes the socket, if one is open. */
  dispose(): void;
}

/**
 * Opens nothing yet: the socket is made by the first subscription and closed after the last.
 * `onAnswer` hears whether the server let the key in, each time that is known.
 */
export function connect(url: URL, key: string, onAnswer: OnAnswer): Connection {
  let disposed = false;
  const report = (accepted: boolean) => disposed || onAnswer(accepted); // an old key's late answer says nothing
  const socket = createSocket(url, key, report);
  return {
    fetcher: (given, options) => {
      const [subscribes, params] = read(given);
      return subscribes
        ? (socket.iterate({ ...params }) as AsyncIterableIterator<ExecutionResult>) // its errors are plain JSON
        : post(url, params, { ...credentials(key), ...options?.headers }, report);
    },
    dispose: () => {
      disposed = true;
      void socket.dispose();
    },
  };
}

function createSocket(url: URL, key: string, onAnswer: OnAnswer): Client {
  const address = new URL(url);
  address.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return createClient({
    url: address.href,
    connectionParams: credentials(key),
    lazy: true,
    retryAttempts: RETRIES,
    // 44xx is the protocol's refusal (4401, 4403, ...): asking again changes nothing. The rest is the network.
    shouldRetry: (event) => !(event instanceof CloseEvent && event.code >= 4400 && event.code < 4500),
    on: {
      connected: () => onAnswer(true),
      closed: (event) => {
        if (event instanceof CloseEvent && [4401, 4403].includes(event.code)) onAnswer(false);
      },
    },
  });
}

/**
 * Whether the operation to run is a subscription, and the parameters with a name only where it is one of the
 * document's. GraphiQL reads a document a moment after the last key: until then it names the operation of the
 * document before, and the server would know none of that name.
 */
function read(params: FetcherParams): [boolean, FetcherParams] {
  const document = tryParse(params.query);
  if (!document) return [false, params]; // the server says what is wrong with it
  const operation = getOperationAST(document, params.operationName) ?? getOperationAST(document);
  return [operation?.operation === "subscription", { ...params, operationName: operation?.name?.value }];
}

function tryParse(query: string): DocumentNode | null {
  try {
    return parse(query);
  } catch {
    return null;
  }
}

async function post(
  url: URL,
  params: FetcherParams,
  headers: Record<string, string>,
  onAnswer: OnAnswer,
) {
  const response = await fetch(url, {
    method: "POST",
    headers: { Accept: ACCEPT, "Content-Type": "application/json", ...headers },
    body: JSON.stringify(params),
    credentials: "same-origin",
  });
  onAnswer(response.status !== 401);
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`HTTP ${response.status}: the answer is not JSON: ${text.slice(0, 200)}`);
  }
}
