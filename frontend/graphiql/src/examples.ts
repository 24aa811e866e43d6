/**
 * The operations GraphiQL opens with, one tab each, in this order.
 *
 * They live as files under `examples/` so that the build can copy them beside the page, where a Python
 * test reads and runs every one of them. To add one: its files there, their imports and a line here. The first
 * has no variables: GraphiQL does not show those of the tab it opens with.
 */
import models from "../examples/models.graphql";
import predict from "../examples/predict.graphql";
import predictVariables from "../examples/predict.variables.json";
import predictions from "../examples/predictions.graphql";
import predictionsVariables from "../examples/predictions.variables.json";

export interface Example {
  query: string;
  variables: string;
}

const example = (query: string, variables?: unknown): Example => ({
  query,
  variables: variables === undefined ? "" : JSON.stringify(variables, null, 2),
});

export const EXAMPLES: Example[] = [
  example(models),
  example(predict, predictVariables),
  example(predictions, predictionsVariables),
];
