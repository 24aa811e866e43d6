// Mercurius with its JIT, over one joined statement, or with its loaders (`PEER_LOADERS=1`).
import Fastify from "fastify";
import mercurius from "mercurius";
import { joined, shared, typeDefs, typed } from "./resolvers.mjs";
import { modelsBy, onePrediction, plainModels, plainPage, versionsBy, versionsOf } from "./store.mjs";

const app = Fastify({ logger: false });
const cached = { cache: false };
const loaders = {
  Prediction: {
    model: { loader: async (asked) => modelsBy(asked.map(({ obj }) => obj.modelKey)), opts: cached },
    modelVersion: { loader: async (asked) => versionsBy(asked.map(({ obj }) => obj.versionKey)), opts: cached },
  },
  Model: { versions: { loader: async (asked) => versionsOf(asked.map(({ obj }) => obj.key)), opts: cached } },
};
const plain = {
  ...shared,
  Query: {
    predictions: (_, { first }) => plainPage(first),
    prediction: (_, { id }) => onePrediction(id),
    models: (_, { first }) => plainModels(first),
  },
};
const withLoaders = process.env.PEER_LOADERS === "1";
app.register(mercurius, {
  schema: typeDefs,
  resolvers: typed(withLoaders ? plain : joined, "resolveType"),
  ...(withLoaders ? { loaders } : {}),
  jit: 1,
  path: "/graphql",
});
await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
