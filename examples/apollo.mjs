// Apollo Client: queries and mutations over HTTP, subscriptions over a WebSocket.
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client/core/index.js';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions/index.js';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { accepted, DIABETES, HEADERS, PREDICT, STORY, tell, TOKENS, URL } from './story.mjs';

const socket = createClient({
  url: URL.replace('http', 'ws'),
  webSocketImpl: WebSocket, // Node has one of its own from version 22 on
  connectionParams: HEADERS,
});
const client = new ApolloClient({
  cache: new InMemoryCache({ possibleTypes: { TokenStreamEvent: ['TokenEvent', 'StreamSnapshot', 'StreamEnd'] } }),
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(socket),
    new HttpLink({ uri: URL, headers: HEADERS }),
  ),
});

async function predict(input) {
  const { data } = await client.mutate({ mutation: gql(PREDICT), variables: { input } });
  return accepted(data.predict);
}

function follow(variables, take) {
  return new Promise((resolve, reject) => {
    const events = client.subscribe({ query: gql(TOKENS), variables, fetchPolicy: 'no-cache' });
    const subscription = events.subscribe({
      next({ data, error }) {
        if (error) reject(error);
        // In a microtask: an event may come before `subscribe` has returned.
        else if (take(data.tokens)) queueMicrotask(() => resolve(subscription.unsubscribe()));
      },
      error: reject,
      complete: resolve,
    });
  });
}

const { output } = await predict(DIABETES);
console.log(`diabetes: ${output.results[0].value}`);
await tell((await predict(STORY)).id, follow);
client.stop();
await socket.dispose();
