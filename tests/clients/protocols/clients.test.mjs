// What the clients that people use make of the endpoint. Needs URL (http://…/graphql) and KEY.
import assert from 'node:assert/strict';
import test from 'node:test';

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client/core/index.js';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries/index.js';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions/index.js';
import { Client, fetchExchange } from '@urql/core';
import { createHash } from 'node:crypto';
import { createClient as createSse } from 'graphql-sse';
import { createClient as createWs } from 'graphql-ws';
import WebSocket from 'ws';

const { URL: url, KEY: key } = process.env;
const headers = { authorization: `Bearer ${key}` };

const ws = (more = {}) =>
  createWs({
    url: url.replace('http', 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: headers,
    retryAttempts: 0,
    ...more,
  });

const sse = (more = {}) => createSse({ url, headers, retryAttempts: 0, ...more });

const all = async (iterator) => {
  const results = [];
  for await (const result of iterator) results.push(result);
  return results;
};

const counted = (results) => results.map((result) => result.data.count);

for (const [name, create] of [['graphql-ws', ws], ['graphql-sse', sse]]) {
  test(`${name}: a query has one result`, async () => {
    const client = create();
    const results = await all(client.iterate({ query: '{ hello }' }));
    assert.deepEqual(results.map((result) => result.data), [{ hello: 'hello world' }]);
    await client.dispose();
  });

  test(`${name}: a subscription is followed to its end`, async () => {
    const client = create();
    const results = await all(client.iterate({ query: 'subscription { count(to: 3) }' }));
    assert.deepEqual(counted(results), [1, 2, 3]);
    await client.dispose();
  });

  test(`${name}: many subscriptions at once`, async () => {
    const client = create();
    const query = 'subscription ($to: Int!) { count(to: $to, seconds: 0.01) }';
    const runs = await Promise.all([3, 5, 8].map((to) => all(client.iterate({ query, variables: { to } }))));
    assert.deepEqual(runs.map((run) => run.length), [3, 5, 8]);
    await client.dispose();
  });

  test(`${name}: leaving a subscription lets the others go on`, async () => {
    const client = create();
    for await (const result of client.iterate({ query: 'subscription { count(to: 100, seconds: 0.01) }' })) {
      if (result.data.count === 2) break;
    }
    assert.deepEqual(counted(await all(client.iterate({ query: 'subscription { count(to: 1) }' }))), [1]);
    await client.dispose();
  });
}

const refusal = (promise) => promise.then(() => assert.fail('was accepted'), (error) => error);

test('graphql-ws: a bad operation fails alone', async () => {
  const client = ws();
  const good = all(client.iterate({ query: 'subscription { count(to: 5, seconds: 0.02) }' }));
  const errors = await refusal(all(client.iterate({ query: '{' })));
  assert.equal(errors[0].extensions.code, 'GRAPHQL_PARSE_FAILED');
  assert.deepEqual(counted(await good), [1, 2, 3, 4, 5]);
  await client.dispose();
});

test('graphql-ws: a wrong key is told by 4403', async () => {
  const event = await refusal(
    all(ws({ connectionParams: { authorization: 'Bearer fk_wrong' } }).iterate({ query: '{ hello }' })),
  );
  assert.equal(event.code, 4403);
});

test('graphql-ws: an idle connection is kept alive by pings', async () => {
  let pongs = 0;
  const client = ws({ lazy: false, keepAlive: 20, on: { pong: () => (pongs += 1) } });
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(pongs >= 2);
  await client.dispose();
});

test('graphql-sse: a bad operation is a result with errors', async () => {
  const [result] = await all(sse().iterate({ query: '{' }));
  assert.equal(result.errors[0].extensions.code, 'GRAPHQL_PARSE_FAILED');
});

test('graphql-sse: a wrong key is told by 401', async () => {
  const error = await refusal(all(sse({ headers: {} }).iterate({ query: '{ hello }' })));
  assert.equal(error.response.status, 401);
});

const urql = () =>
  new Client({ url, exchanges: [fetchExchange], fetchOptions: { headers }, fetchSubscriptions: true });

test('urql: a query is answered, though urql accepts event streams too', async () => {
  const result = await urql().query('{ hello }', {}).toPromise();
  assert.equal(result.error, undefined);
  assert.equal(result.data.hello, 'hello world');
});

test('urql: a mistake is told with its code', async () => {
  const result = await urql().query('{ nothing }', {}).toPromise();
  assert.equal(result.error.graphQLErrors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
});

test('urql: a subscription over its own event streams', async () => {
  const seen = [];
  await new Promise((resolve, reject) => {
    urql()
      .subscription('subscription { count(to: 3, seconds: 0.01) }', {})
      .subscribe((result) => {
        if (result.error) reject(result.error);
        seen.push(result.data.count);
        if (result.data.count === 3) resolve();
      });
  });
  assert.deepEqual([...new Set(seen)], [1, 2, 3]); // urql repeats the last result when the stream completes
});

const apollo = (link) => new ApolloClient({ link, cache: new InMemoryCache() });
const http = (more = {}) => new HttpLink({ uri: url, headers, ...more });

test('Apollo: a query is answered', async () => {
  const { data } = await apollo(http()).query({ query: gql`{ hello }` });
  assert.equal(data.hello, 'hello world');
});

test('Apollo: a mistake is told with its code', async () => {
  const error = await refusal(apollo(http()).query({ query: gql`{ nothing }` }));
  assert.equal(error.errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
});

for (const method of ['POST', 'GET']) {
  test(`Apollo: a document is sent once and then by its hash, by ${method}`, async () => {
    const asked = [];
    const watch = new ApolloLink((operation, forward) => {
      asked.push(Boolean(operation.getContext().http?.includeQuery));
      return forward(operation);
    });
    const persisted = new PersistedQueryLink({
      sha256: (text) => createHash('sha256').update(text).digest('hex'),
      useGETForHashedQueries: method === 'GET',
    });
    const client = apollo(ApolloLink.from([persisted, watch, http()]));
    const query = method === 'GET' ? gql`query ByGet { hello }` : gql`query ByPost { hello }`;
    for (let time = 0; time < 2; time += 1) {
      const { data } = await client.query({ query, fetchPolicy: 'network-only' });
      assert.equal(data.hello, 'hello world');
    }
    assert.deepEqual(asked, [false, true, false]);
  });
}

test('Apollo: a subscription over WebSocket', async () => {
  const seen = [];
  const client = ws();
  await new Promise((complete, error) => {
    apollo(new GraphQLWsLink(client))
      .subscribe({ query: gql`subscription { count(to: 3) }` })
      .subscribe({ next: ({ data }) => seen.push(data.count), error, complete });
  });
  assert.deepEqual(seen, [1, 2, 3]);
  await client.dispose();
});
