/**
 * An esbuild plugin that makes Monaco fit a strict Content-Security-Policy and a small page.
 *
 * Monaco's own source stays as it is on disk. On the way into the bundle a few expressions are replaced by
 * calls of `src/csp/`; each must be found exactly as often as written here, so that an upgrade that moves
 * them stops the build instead of breaking the page.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";

const MARKUP = resolve("src/csp/markup.ts");
const NONCE = resolve("src/csp/nonce.ts");

const setMarkup = { find: /([\w.]+)\.innerHTML = ([^;]+);/g, put: "setMarkup($1, $2);", from: MARKUP };
const insertMarkupAfter = {
  find: /(\w+)\.insertAdjacentHTML\('afterend', ([^;]+)\);/g,
  put: "insertMarkupAfter($1, $2);",
  from: MARKUP,
};
const createStyle = { find: /document\.createElement\('style'\)/g, put: "createStyle()", from: NONCE };

/** Which replacement, in which file below monaco-editor/esm/vs, how often. */
const REWRITES = {
  "base/browser/dom.js": [[createStyle, 1]],
  "base/browser/ui/contextview/contextview.js": [[createStyle, 1]],
  "editor/browser/view/domLineBreaksComputer.js": [[setMarkup, 1]],
  "editor/browser/view/viewLayer.js": [
    [setMarkup, 2],
    [insertMarkupAfter, 1],
  ],
  "editor/standalone/browser/colorizer.js": [[setMarkup, 1]],
};

function rewrite(file, text) {
  const imports = new Map();
  for (const [{ find, put, from }, times] of REWRITES[file]) {
    const found = text.match(find)?.length ?? 0;
    if (found !== times) throw new Error(`${file}: ${find} found ${found} times, not ${times}`);
    text = text.replace(find, put);
    imports.set(put.slice(0, put.indexOf("(")), from);
  }
  const lines = [...imports].map(([name, from]) => `import { ${name} } from ${JSON.stringify(from)};\n`);
  return lines.join("") + text;
}

/** Counts the files it rewrites in `done`, for the build to compare with `REWRITTEN`. */
export function monaco(done = new Set()) {
  return {
    name: "monaco",
    setup(build) {
      build.onResolve({ filter: /^monaco-editor\/esm\/vs\/editor\/edcore\.main(\.js)?$/ }, () => ({
        path: resolve("src/monaco/editor.ts"),
        sideEffects: true,
      }));
      build.onLoad({ filter: /monaco-editor\/esm\/vs\/.*\.js$/ }, async ({ path }) => {
        const file = path.split("monaco-editor/esm/vs/")[1];
        if (!(file in REWRITES)) return undefined;
        done.add(file);
        return { contents: rewrite(file, await readFile(path, "utf8")), loader: "js" };
      });
    },
  };
}

export const REWRITTEN = Object.keys(REWRITES);
