/** The public GraphQL API: queries by POST, subscriptions over one WebSocket. */
import { type Client, createClient } from "graphql-ws";

import { credentials } from "../../graphiql/src/key";

const ACCEPT = "application/graphql-response+json, application/json;q=0.9";
const RETRIES = 10;

/** Nobody is known, or may not: `code` is that of the first error. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message);
  }
}

export interface Api {
  /** The data of an answer, with null for each field that failed. Throws an ApiError where there is no data. */
  ask<Data>(query: string, variables?: Record<string, unknown>): Promise<Data>;
  /** Follows a subscription until it completes or the returned function is called. */
  follow<Data>(query: string, variables: Record<string, unknown>, onData: (data: Data) => void): () => void;
  dispose(): void;
}

interface Answer<Data> {
  data?: Data | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

export function connect(endpoint: URL, key: string): Api {
  const socket = createSocket(endpoint, key);
  return {
    ask: (query, variables = {}) => post(endpoint, key, { query, variables }),
    follow: <Data>(query: string, variables: Record<string, unknown>, onData: (data: Data) => void) =>
      socket.subscribe<Data>(
        { query, variables },
        { next: ({ data }) => data && onData(data), error: () => undefined, complete: () => undefined },
      ),
    dispose: () => void socket.dispose(),
  };
}

async function post<Data>(endpoint: URL, key: string, body: object): Promise<Data> {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { Accept: ACCEPT, "Content-Type": "application/json", ...credentials(key) },
    body: JSON.stringify(body),
    credentials: "same-origin",
  });
  const answer = (await response.json()) as Answer<Data>;
  const [first] = answer.errors ?? [];
  if (!answer.data) throw new ApiError(first?.message ?? `HTTP ${response.status}`, first?.extensions?.code ?? "");
  return answer.data;
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
