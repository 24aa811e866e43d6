// urql: everything over HTTP, subscriptions as server-sent events, which pass every proxy and need no other library.
import { Client, fetchExchange } from '@urql/core';

import { accepted, DIABETES, HEADERS, PREDICT, STORY, tell, TOKENS, URL } from './story.mjs';

const client = new Client({
  url: URL,
  exchanges: [fetchExchange],
  fetchOptions: { headers: HEADERS },
  fetchSubscriptions: true,
  preferGetMethod: false,
});

async function predict(input) {
  const { data, error } = await client.mutation(PREDICT, { input });
  if (error) throw error;
  return accepted(data.predict);
}

function follow(variables, take) {
  return new Promise((resolve, reject) => {
    let isDone = false;
    const { unsubscribe } = client.subscription(TOKENS, variables).subscribe(({ data, error }) => {
      if (isDone) return;
      if (error) return reject(error);
      isDone = take(data.tokens);
      if (isDone) setTimeout(() => resolve(unsubscribe())); // urql can not be left from within its own event
    });
  });
}

const { output } = await predict(DIABETES);
console.log(`diabetes: ${output.results[0].value}`);
await tell((await predict(STORY)).id, follow);
