// No library at all: `fetch`, and the graphql-transport-ws protocol by hand, which is five kinds of message
// (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md). Runs in browsers, too, which have a WebSocket.
import WebSocket from 'ws';

import { accepted, DIABETES, HEADERS, PREDICT, STORY, tell, TOKENS, URL } from './story.mjs';

async function predict(input) {
  const response = await fetch(URL, {
    method: 'POST',
    headers: { ...HEADERS, 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query: PREDICT, variables: { input } }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(errors.map(({ message }) => message).join('\n'));
  return accepted(data.predict);
}

function follow(variables, take) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(URL.replace('http', 'ws'), 'graphql-transport-ws');
    const send = (message) => socket.send(JSON.stringify(message));
    // The key travels in the first message, never in the address, which servers log.
    socket.onopen = () => send({ type: 'connection_init', payload: HEADERS });
    socket.onclose = ({ code, reason }) => (code === 1000 ? resolve() : reject(new Error(`${code}: ${reason}`)));
    socket.onerror = () => {}; // `onclose` follows
    socket.onmessage = ({ data }) => {
      const { type, payload } = JSON.parse(data);
      if (type === 'ping') send({ type: 'pong' });
      if (type === 'connection_ack') send({ type: 'subscribe', id: '1', payload: { query: TOKENS, variables } });
      if (type === 'next' && payload.errors) reject(new Error(payload.errors[0].message));
      if (type === 'next' && !payload.errors && take(payload.data.tokens)) socket.close(1000);
      if (type === 'error') reject(new Error(payload[0].message));
      if (type === 'complete') socket.close(1000);
    };
  });
}

const { output } = await predict(DIABETES);
console.log(`diabetes: ${output.results[0].value}`);
await tell((await predict(STORY)).id, follow);
