// What a program writes against the generated types. Each @ts-expect-error is a mistake that has to be one.
import type { PredictInput, PredictMutation, TokensSubscription } from './__generated__/operations.js';
import type { catalog_models$data } from './__generated__/relay/catalog_models.graphql.js';
import type { Query } from './__generated__/schema.js';

export const byName: PredictInput = {
  model: { name: 'diabetes' },
  data: { tabular: { records: [{ age: 59 }] } },
};

// @ts-expect-error: a model is named in exactly one way
export const twice: PredictInput['model'] = { name: 'diabetes', id: 'TW9kZWw6' };

// @ts-expect-error: there is no prediction without a model
export const without: PredictInput = { data: { embedding: { texts: ['a'] } } };

export function answer({ predict }: PredictMutation): string | number | null {
  const output = predict.prediction?.output;
  if (output?.__typename === 'TextOutput') return output.text;
  if (output?.__typename === 'TabularOutput') return output.results[0]?.value ?? null;
  // @ts-expect-error: a refusal has no output
  return predict.errors[0]?.output;
}

export function piece({ tokens }: TokensSubscription): string {
  switch (tokens.__typename) {
    case 'TokenEvent':
    case 'StreamSnapshot':
      return tokens.text;
    case 'StreamEnd':
      return tokens.prediction.status satisfies string;
    default:
      return '';
  }
}

// Relay's types know from @semanticNonNull that a list and its edges are there once nothing has failed; the others do not.
export const names = ({ models }: catalog_models$data): string[] =>
  models.edges.map(({ node }) => `${node.name} ${node.versions.nodes[0]?.model.name}`);

// @ts-expect-error: `models` may be null
export const nodes = ({ models }: Query): unknown => models.nodes;
