// What the Relay example asks. relay-compiler reads this file; a bundler with Relay's plugin would run it, too.
import { graphql } from 'relay-runtime';

export const predict = graphql`
  mutation tellerPredictMutation($input: PredictInput!) {
    predict(input: $input) {
      prediction {
        id
        output {
          __typename
          ... on TabularOutput {
            results {
              value
            }
          }
        }
      }
      errors {
        code
        message
      }
    }
  }
`;

export const tokens = graphql`
  subscription tellerTokensSubscription($predictionId: ID!, $after: Int!) {
    tokens(predictionId: $predictionId, after: $after) {
      __typename
      sequence
      ... on TokenEvent {
        text
      }
      ... on StreamSnapshot {
        text
      }
      ... on StreamEnd {
        prediction {
          id
          status
        }
      }
    }
  }
`;

// One page of any list, and a value that is null only with an error of its own (`@semanticNonNull`).
export const models = graphql`
  query tellerModelsQuery($first: Int!, $after: String) @throwOnFieldError {
    models(first: $first, after: $after) {
      edges {
        node {
          id
          name
          versions(first: 1) {
            nodes {
              version
            }
          }
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`;
