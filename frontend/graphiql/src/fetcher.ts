/**
 * Carries operations to the server: queries and mutations by POST, subscriptions by graphql-transport-ws.
 */
import type { Fetcher, FetcherParams } from "@graphiql/toolkit";
import { type DocumentNode, type ExecutionResult, getOperationAST, parse } from "graphql";
import { type Client, createClient } from "graphql-ws";

import { credentials, tooMany, waitOf } from "./key";

/** The media types of graphql-over-http: the new one tells errors by status, the old one is a fallback. */
const ACCEPT = "application/graphql-response+json, application/json;q=0.9";
const RETRIES = 5;
const TRY_AGAIN_LATER = 1013;

/** What is known of a key: `unknown` before it is asked, what the server said where it judged nothing. */
export type Access = "unknown" | "accepted" | "refused" | { said: string };

type OnAnswer = (access: Access) => void;

export interface Connection {
  fetcher: Fetcher;
  /** Closes the socket, if one is open. */
  dispose(): void;
}

/**
 * Opens nothing yet: the socket is made by the first subscription and closed after the last.
 * `onAnswer` hears what each answer tells of the key.
 */
export function connect(url: URL, key: string, onAnswer: OnAnswer): Connection {
  let disposed = false;
  const report = (access: Access) => disposed || onAnswer(access); // an old key's late answer says nothing
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
      connected: () => onAnswer("accepted"),
      closed: (event) => {
        if (!(event instanceof CloseEvent)) return;
        if ([4401, 4403].includes(event.code)) onAnswer("refused");
        if (event.code === TRY_AGAIN_LATER) onAnswer({ said: event.reason });
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
  const text = await response.text();
  const answer = tryParseAnswer(text);
  onAnswer(accessIn(response, answer));
  if (!answer) throw new Error(`HTTP ${response.status}: the answer is not JSON: ${text.slice(0, 200)}`);
  // Returned, the errors of an introspection would make GraphiQL ask once more, in older words.
  if (!response.ok && answer.errors) throw answer.errors;
  return answer;
}

function tryParseAnswer(text: string): ExecutionResult | null {
  try {
    return JSON.parse(text) as ExecutionResult;
  } catch {
    return null;
  }
}

function accessIn(response: Response, answer: ExecutionResult | null): Access {
  if (response.ok && answer) return "accepted";
  if (response.status === 401) return "refused";
  if (response.status === 429) return { said: tooMany(waitOf(response)) };
  return { said: answer?.errors?.[0]?.message ?? `HTTP ${response.status}` };
}
