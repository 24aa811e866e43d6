/** The public GraphQL API: queries by POST, subscriptions over one WebSocket. */
import { type Client, createClient } from "graphql-ws";

import { credentials, waitOf } from "../../graphiql/src/key";

const ACCEPT = "application/graphql-response+json, application/json;q=0.9";
const RETRIES = 10;

/** An answer without data: its HTTP status, and for how many seconds the server wants no other try (0: not told). */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly wait: number,
  ) {
    super(message);
  }
}

export interface Api {
  /** The data of an answer, with null for each field that failed. Throws an ApiError where there is no data. */
  ask<Data>(query: string, variables?: Record<string, unknown>): Promise<Data>;
  /** Follows a subscription until it completes or the returned function is called. */
  follow<Data>(query: string, variables: Record<string, unknown>, onData: (data: Data) => void): () => void;
  /** Ends what is asked and followed: whoever waits for an answer gets an AbortError. */
  dispose(): void;
}

interface Answer<Data> {
  data?: Data | null;
  errors?: { message: string }[];
}

export function connect(endpoint: URL, key: string): Api {
  const socket = createSocket(endpoint, key);
  const end = new AbortController();
  return {
    ask: (query, variables = {}) => post(endpoint, key, { query, variables }, end.signal),
    follow: <Data>(query: string, variables: Record<string, unknown>, onData: (data: Data) => void) =>
      socket.subscribe<Data>(
        { query, variables },
        { next: ({ data }) => data && onData(data), error: () => undefined, complete: () => undefined },
      ),
    dispose: () => {
      end.abort();
      void socket.dispose();
    },
  };
}

async function post<Data>(endpoint: URL, key: string, body: object, signal: AbortSignal): Promise<Data> {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { Accept: ACCEPT, "Content-Type": "application/json", ...credentials(key) },
    body: JSON.stringify(body),
    credentials: "same-origin",
    signal,
  });
  const answer = await read<Data>(response);
  if (answer.data) return answer.data;
  const message = answer.errors?.[0]?.message ?? `HTTP ${response.status}`;
  throw new ApiError(message, response.status, waitOf(response));
}

/** The answer; an empty one where something before the server answered, in words of its own. */
async function read<Data>(response: Response): Promise<Answer<Data>> {
  const text = await response.text();
  try {
    return JSON.parse(text) as Answer<Data>;
  } catch {
    return {};
  }
}

function createSocket(endpoint: URL, key: string): Client {
  const address = new URL(endpoint);
  address.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";
  return createClient({
    url: address.href,
    connectionParams: credentials(key),
    retryAttempts: RETRIES,
    // 44xx is the protocol's refusal: asking again changes nothing. The rest is the network.
    shouldRetry: (event) => !(event instanceof CloseEvent && event.code >= 4400 && event.code < 4500),
  });
}
