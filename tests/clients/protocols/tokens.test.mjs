// Following a generated text with the clients that people use: each is cut off every few events, comes back with
// the last sequence it saw, and ends with the text that the prediction has stored. Needs URL and KEY.
import assert from 'node:assert/strict';
import test from 'node:test';

import { ApolloClient, ApolloLink, InMemoryCache, gql } from '@apollo/client/core/index.js';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions/index.js';
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient as createSse } from 'graphql-sse';
import { createClient as createWs } from 'graphql-ws';
import WebSocket from 'ws';

const { URL: url, KEY: key } = process.env;
const headers = { authorization: `Bearer ${key}` };
const TOKENS = 300;

const TEXT = `subscription ($id: ID!, $after: Int!) {
  tokens(predictionId: $id, after: $after) {
    __typename
    sequence
    ... on TokenEvent { text }
    ... on StreamSnapshot { text }
    ... on StreamEnd { prediction { status output { ... on TextOutput { text lastSequence } } } }
  }
}`;

async function begin(seed) {
  const query = `mutation ($seed: Int!) {
    predict(input: {
      model: {name: "storyteller"}, waitMs: 0, cache: BYPASS
      data: {text: {prompt: {text: "It was"}, parameters: {maxTokens: ${TOKENS}, temperature: 0.9, seed: $seed}}}
    }) { prediction { id status } errors { message } }
  }`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables: { seed } }),
  });
  const { data } = await response.json();
  assert.deepEqual(data.predict.errors, []);
  assert.equal(data.predict.prediction.status, 'RUNNING');
  return data.predict.prediction.id;
}

const webSocket = () =>
  createWs({ url: url.replace('http', 'ws'), webSocketImpl: WebSocket, connectionParams: headers, retryAttempts: 0 });

// Each of these follows the text from a sequence on, hands every event to `take`, and leaves when that says so.
const clients = {
  async 'graphql-ws'(variables, take) {
    const client = webSocket();
    for await (const { data } of client.iterate({ query: TEXT, variables })) if (take(data.tokens)) break;
    await client.dispose();
  },

  async 'graphql-sse'(variables, take) {
    const client = createSse({ url, headers, retryAttempts: 0 });
    for await (const { data } of client.iterate({ query: TEXT, variables })) if (take(data.tokens)) break;
    client.dispose();
  },

  async 'Apollo Client'(variables, take) {
    const socket = webSocket();
    const link = ApolloLink.from([new GraphQLWsLink(socket)]);
    const client = new ApolloClient({ link, cache: new InMemoryCache() });
    await new Promise((resolve, reject) => {
      const subscription = client.subscribe({ query: gql(TEXT), variables }).subscribe({
        next({ data, error }) {
          if (error) return reject(error);
          if (take(data.tokens)) setTimeout(() => resolve(subscription.unsubscribe()));
        },
        error: reject,
        complete: resolve,
      });
    });
    client.stop();
    await socket.dispose();
  },

  async 'urql over SSE'(variables, take) {
    const client = new Client({
      url,
      exchanges: [fetchExchange],
      fetchOptions: { headers },
      fetchSubscriptions: true,
      preferGetMethod: false,
    });
    await followed(client, variables, take);
  },

  async 'urql over WebSocket'(variables, take) {
    const socket = webSocket();
    const forwardSubscription = (request) => ({
      subscribe: (sink) => ({ unsubscribe: socket.subscribe({ ...request, query: request.query ?? '' }, sink) }),
    });
    const exchanges = [subscriptionExchange({ forwardSubscription }), fetchExchange];
    await followed(new Client({ url, exchanges, preferGetMethod: false }), variables, take);
    await socket.dispose();
  },
};

function followed(client, variables, take) {
  return new Promise((resolve, reject) => {
    let left = false;
    const { unsubscribe } = client.subscription(TEXT, variables).subscribe(({ data, error }) => {
      if (left) return;
      if (error) return reject(error);
      if (take(data.tokens)) {
        left = true;
        setTimeout(() => resolve(unsubscribe()));
      }
    });
  });
}

for (const [name, follow] of Object.entries(clients)) {
  test(`${name}: a text that is cut off again and again is whole in the end`, async () => {
    const id = await begin(name.length);
    let text = '';
    let last = 0;
    let cuts = 0;
    let end = null;
    while (end === null) {
      let seen = 0;
      await follow({ id, after: last }, (event) => {
        if (event.sequence <= last) return false; // urql repeats the last result at the end
        if (event.__typename === 'StreamSnapshot') text = event.text;
        else assert.equal(event.sequence, last + 1);
        if (event.__typename === 'TokenEvent') text += event.text;
        if (event.__typename === 'StreamEnd') end = event;
        last = event.sequence;
        seen += 1;
        return end !== null || seen === 7;
      });
      cuts += end === null;
    }
    assert.equal(end.prediction.status, 'SUCCEEDED');
    assert.equal(text, end.prediction.output.text);
    assert.ok(cuts >= 3, `cut off ${cuts} times`);
  });
}
