/**
 * Builds GraphiQL into foretell/static/graphiql (or the folder given): the page, one script, one style sheet,
 * three workers, the icon font, licences, versions, and the example operations.
 *
 * The same sources and lock make the same bytes; names carry a hash of the content, so they may be cached
 * for ever.
 */
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { licenceText, packagesOf } from "./licences.mjs";
import { monaco, REWRITTEN } from "./monaco.mjs";
import { variables } from "./variables.mjs";

const HERE = dirname(dirname(fileURLToPath(import.meta.url)));
const TARGET = resolve(process.argv[2] ?? join(HERE, "../../foretell/static/graphiql"));
const ASSETS = join(TARGET, "assets");
const WORKERS = {
  editor: "monaco-editor/esm/vs/editor/editor.worker.js",
  graphql: "monaco-graphql/esm/graphql.worker.js",
  json: "monaco-editor/esm/vs/language/json/json.worker.js",
};

const COMMON = {
  absWorkingDir: HERE,
  bundle: true,
  minify: true,
  keepNames: true, // GraphiQL makes the titles of its icons from the names of functions
  metafile: true,
  legalComments: "none", // they are in LICENSES.txt
  logLevel: "warning",
  target: ["es2022"],
  outdir: ASSETS,
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".graphql": "text", ".ttf": "file", ".svg": "copy" },
};

const outputs = (result) => Object.keys(result.metafile.outputs).map((file) => basename(file));

function one(names, pattern) {
  const found = names.filter((name) => pattern.test(name));
  if (found.length !== 1) throw new Error(`${pattern}: ${found.length} files, not one`);
  return found[0];
}

async function buildWorkers() {
  const results = {};
  for (const [label, entry] of Object.entries(WORKERS)) {
    const entryPoints = { [`${label}.worker`]: entry };
    results[label] = await build({ ...COMMON, entryPoints, format: "iife", plugins: [variables] });
  }
  return results;
}

async function buildPage(workers) {
  const rewritten = new Set();
  const result = await build({
    ...COMMON,
    entryPoints: { graphiql: "src/main.tsx", icon: "src/icon.svg" },
    format: "esm",
    jsx: "automatic",
    define: { ...COMMON.define, WORKERS: JSON.stringify(workers) },
    plugins: [monaco(rewritten)],
  });
  const missed = REWRITTEN.filter((file) => !rewritten.has(file));
  if (missed.length) throw new Error(`not in the bundle any more: ${missed.join(", ")}`);
  return result;
}

/** A digest of what the build is made from: a test compares it, and so tells when a build was forgotten. */
async function digestSources() {
  const digest = createHash("sha256");
  const folders = await Promise.all(
    ["src", "examples", "build"].map((folder) => readdir(join(HERE, folder), { recursive: true, withFileTypes: true })),
  );
  const files = folders.flat().filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const names = [...files, join(HERE, "package-lock.json")].map((file) => file.slice(HERE.length + 1)).sort();
  for (const name of names) digest.update(`${name}\n`).update(await readFile(join(HERE, name)));
  return digest.digest("hex");
}

async function writePage(names) {
  const page = await readFile(join(HERE, "src/index.html"), "utf8");
  const asset = (pattern) => `graphiql/assets/${one(names, pattern)}`;
  const filled = page
    .replace("{icon}", asset(/^icon-.*\.svg$/))
    .replace("{style}", asset(/^graphiql-.*\.css$/))
    .replace("{script}", asset(/^graphiql-.*\.js$/));
  await writeFile(join(TARGET, "index.html"), filled);
}

async function writeNotices(results) {
  const packages = packagesOf(new Set(results.flatMap((result) => Object.keys(result.metafile.inputs))));
  const versions = {};
  for (const { name, version } of packages) versions[name] = [versions[name], version].filter(Boolean).join(", ");
  await writeFile(join(TARGET, "LICENSES.txt"), licenceText(packages));
  const record = { sources: await digestSources(), packages: versions };
  await writeFile(join(TARGET, "VERSION.json"), JSON.stringify(record, null, 2) + "\n");
}

await rm(TARGET, { recursive: true, force: true });
await mkdir(TARGET, { recursive: true });
const workers = await buildWorkers();
const addresses = Object.fromEntries(
  Object.entries(workers).map(([label, result]) => [label, `./${one(outputs(result), /\.worker-.*\.js$/)}`]),
);
const page = await buildPage(addresses);
await writePage(outputs(page));
await writeNotices([page, ...Object.values(workers)]);
await cp(join(HERE, "examples"), join(TARGET, "examples"), { recursive: true });
if (process.env.METAFILE) await writeFile(process.env.METAFILE, JSON.stringify(page.metafile));
