// For relay-compiler: a list that is paged, nodes that are fetched again, and fields that are never null alone.
declare function graphql(strings: TemplateStringsArray): unknown;

export const page = graphql`
  query catalogPageQuery($first: Int!, $after: String) {
    ...catalog_models @arguments(first: $first, after: $after)
  }
`;

export const models = graphql`
  fragment catalog_models on Query
  @argumentDefinitions(first: { type: "Int!" }, after: { type: "String" })
  @refetchable(queryName: "catalogModelsQuery")
  @throwOnFieldError {
    models(first: $first, after: $after) @connection(key: "catalog_models") {
      edges {
        node {
          id
          name
          versions(first: 1) {
            nodes {
              version
              model {
                name
              }
            }
          }
        }
      }
    }
  }
`;

export const prediction = graphql`
  fragment catalog_prediction on Prediction @refetchable(queryName: "catalogPredictionQuery") {
    status
    output {
      __typename
      ... on TextOutput {
        text
      }
    }
  }
`;
