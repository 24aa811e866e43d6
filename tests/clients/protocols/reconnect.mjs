// Follows a subscription with one client, and prints "following" each time it gets the first result of a
// connection; ends when it has been connected twice.
import { createClient as createSse } from 'graphql-sse';
import { createClient as createWs } from 'graphql-ws';
import WebSocket from 'ws';

const [transport, url, key] = process.argv.slice(2);
const headers = { authorization: `Bearer ${key}` };
const soon = () => new Promise((resolve) => setTimeout(resolve, 20));

const client =
  transport === 'ws'
    ? createWs({
        url: url.replace('http', 'ws'),
        webSocketImpl: WebSocket,
        connectionParams: headers,
        retryWait: soon,
      })
    : createSse({ url, headers, retry: soon });

let first = 0;
for await (const result of client.iterate({ query: 'subscription { count(to: 1000, seconds: 0.05) }' })) {
  if (result.errors) continue; // what the server says before it goes
  if (result.data.count === 1) {
    console.log('following');
    first += 1;
  }
  if (first === 2) break;
}
await client.dispose();
