// Resolvers over one joined statement for each root field: the same for Apollo and Mercurius.
import { readFileSync } from "node:fs";
import { GraphQLScalarType } from "graphql";
import { joinedModels, joinedPage, onePrediction, predict } from "./store.mjs";

export const typeDefs = readFileSync(new URL("../schema.graphql", import.meta.url), "utf8");

export const shared = {
  JSON: new GraphQLScalarType({ name: "JSON" }),
  Mutation: {
    predict: async (_, { input }) => ({ prediction: await predict(input.data.tabular.records), errors: [] }),
  },
};

/** The type of an output, under the name by which a server looks for it. */
export const typed = (resolvers, name) => ({
  ...resolvers,
  PredictionOutput: { [name]: () => "TabularOutput" },
});

export const joined = {
  ...shared,
  Query: {
    predictions: (_, { first }) => joinedPage(first),
    prediction: (_, { id }) => onePrediction(id),
    models: (_, { first }) => joinedModels(first),
  },
};
