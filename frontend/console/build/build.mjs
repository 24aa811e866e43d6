/**
 * Builds the console into foretell/static/console (or the folder given): the page, one script, one style
 * sheet, the icon, licences, and versions. The same sources and lock make the same bytes; names carry a
 * hash of the content, so they may be cached for ever.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { packagesOf } from "../../graphiql/build/licences.mjs";

const HERE = dirname(dirname(fileURLToPath(import.meta.url)));
const TARGET = resolve(process.argv[2] ?? join(HERE, "../../foretell/static/console"));
const SHARED = "../graphiql/src/key.ts";

/** A digest of what the build is made from: a test compares it, and so tells when a build was forgotten. */
async function digestSources() {
  const digest = createHash("sha256");
  const folders = await Promise.all(
    ["src", "build"].map((folder) => readdir(join(HERE, folder), { recursive: true, withFileTypes: true })),
  );
  const files = folders.flat().filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const names = [...files.map((file) => file.slice(HERE.length + 1)), "package-lock.json", SHARED].sort();
  for (const name of names) digest.update(`${name}\n`).update(await readFile(join(HERE, name)));
  return digest.digest("hex");
}

await rm(TARGET, { recursive: true, force: true });
await mkdir(TARGET, { recursive: true });
const { metafile } = await build({
  absWorkingDir: HERE,
  bundle: true,
  minify: true,
  metafile: true,
  legalComments: "none", // they are in LICENSES.txt
  logLevel: "warning",
  target: ["es2022"],
  format: "esm",
  entryPoints: { console: "src/main.ts", icon: "src/icon.svg" },
  outdir: join(TARGET, "assets"),
  entryNames: "[name]-[hash]",
  loader: { ".svg": "copy" },
});

const names = Object.keys(metafile.outputs).map((file) => basename(file));
const asset = (pattern) => `console/assets/${names.find((name) => pattern.test(name))}`;
const page = await readFile(join(HERE, "src/index.html"), "utf8");
await writeFile(
  join(TARGET, "index.html"),
  page
    .replace("{icon}", asset(/^icon-.*\.svg$/))
    .replace("{style}", asset(/^console-.*\.css$/))
    .replace("{script}", asset(/^console-.*\.js$/)),
);
const inputs = new Set(Object.keys(metafile.inputs).map((input) => resolve(HERE, input)));
const packages = packagesOf(inputs);
const licences = packages.map(({ name, version, license, texts }) => {
  if (!texts.length) throw new Error(`${name}: no licence file`);
  return `${name} ${version}\nLicence: ${license}\n\n${texts.join("\n\n")}`;
});
await writeFile(join(TARGET, "LICENSES.txt"), licences.join(`\n\n${"=".repeat(100)}\n\n`) + "\n");
const record = {
  sources: await digestSources(),
  packages: Object.fromEntries(packages.map(({ name, version }) => [name, version])),
};
await writeFile(join(TARGET, "VERSION.json"), JSON.stringify(record, null, 2) + "\n");
