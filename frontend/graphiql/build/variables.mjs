/**
 * An esbuild plugin that lets the editor of variables leave out what has a default.
 *
 * graphql-language-service calls an input field that is not null "missing", also when it has a default. The
 * expression must be found as it is written here, so that an upgrade that mends it stops the build.
 */
import { readFile } from "node:fs/promises";

const FIND = "if (fieldRequired) {";
const PUT = "if (fieldRequired && field.defaultValue === undefined) {";

export const variables = {
  name: "variables",
  setup(build) {
    build.onLoad({ filter: /graphql-language-service\/esm\/utils\/getVariablesJSONSchema\.js$/ }, async ({ path }) => {
      const parts = (await readFile(path, "utf8")).split(FIND);
      if (parts.length !== 2) throw new Error(`${path}: ${FIND} found ${parts.length - 1} times, not once`);
      return { contents: parts.join(PUT), loader: "js" };
    });
  },
};
