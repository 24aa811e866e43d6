// Apollo Server, without what it reports to others.
import { ApolloServer } from "@apollo/server";
import { ApolloServerPluginUsageReportingDisabled } from "@apollo/server/plugin/disabled";
import { startStandaloneServer } from "@apollo/server/standalone";
import { joined, typeDefs, typed } from "./resolvers.mjs";

const server = new ApolloServer({
  typeDefs,
  resolvers: typed(joined, "__resolveType"),
  csrfPrevention: false,
  plugins: [ApolloServerPluginUsageReportingDisabled()],
});
await startStandaloneServer(server, { listen: { host: "127.0.0.1", port: Number(process.env.PORT) } });
