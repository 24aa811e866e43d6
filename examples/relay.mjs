// Relay without React. `npm run relay-compiler` makes the artifacts first, from relay/teller.js and schema.graphql.
import relay from 'relay-runtime';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import MODELS from './relay/__generated__/tellerModelsQuery.graphql.js';
import PREDICT from './relay/__generated__/tellerPredictMutation.graphql.js';
import TOKENS from './relay/__generated__/tellerTokensSubscription.graphql.js';
import { accepted, DIABETES, HEADERS, STORY, tell, URL } from './story.mjs';

const { commitMutation, Environment, fetchQuery, Network, Observable, RecordSource, requestSubscription, Store } =
  relay;

const socket = createClient({ url: URL.replace('http', 'ws'), webSocketImpl: WebSocket, connectionParams: HEADERS });

async function overHttp({ text }, variables) {
  const response = await fetch(URL, {
    method: 'POST',
    headers: { ...HEADERS, 'content-type': 'application/json' },
    body: JSON.stringify({ query: text, variables }),
  });
  return response.json();
}

const overSocket = ({ name, text }, variables) =>
  Observable.create((sink) => socket.subscribe({ operationName: name, query: text, variables }, sink));

const environment = new Environment({
  network: Network.create(overHttp, overSocket),
  store: new Store(new RecordSource()),
});

const predict = (input) =>
  new Promise((resolve, reject) => {
    commitMutation(environment, {
      mutation: PREDICT,
      variables: { input },
      onCompleted: ({ predict }, errors) => (errors ? reject(new Error(errors[0].message)) : resolve(predict)),
      onError: reject,
    });
  }).then(accepted);

function follow(variables, take) {
  return new Promise((resolve, reject) => {
    let isDone = false;
    const subscription = requestSubscription(environment, {
      subscription: TOKENS,
      variables,
      onNext({ tokens }) {
        if (isDone) return;
        isDone = take(tokens);
        if (isDone) queueMicrotask(() => resolve(subscription.dispose()));
      },
      onError: reject,
      onCompleted: resolve,
    });
  });
}

const { models } = await fetchQuery(environment, MODELS, { first: 10 }).toPromise();
console.log(`models: ${models.edges.map(({ node }) => node.name).join(', ')}`);
const { output } = await predict(DIABETES);
console.log(`diabetes: ${output.results[0].value}`);
await tell((await predict(STORY)).id, follow);
await socket.dispose();
