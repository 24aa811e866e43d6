/** Builds again beside the committed files and says whether they are the same, byte for byte. */
import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const BUILD = dirname(fileURLToPath(import.meta.url));
const COMMITTED = join(BUILD, "../../../foretell/static/graphiql");

async function read(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(await Promise.all(files.map(async (file) => [relative(folder, file), await readFile(file)])));
}

const fresh = await mkdtemp(join(tmpdir(), "graphiql-"));
try {
  execFileSync(process.execPath, [join(BUILD, "build.mjs"), fresh], { stdio: "inherit" });
  const [made, kept] = [await read(fresh), await read(COMMITTED)];
  const names = new Set([...made.keys(), ...kept.keys()]);
  const different = [...names].filter((name) => !made.get(name)?.equals(kept.get(name) ?? Buffer.alloc(0)));
  if (different.length) throw new Error(`differs from the committed build: ${different.join(", ")}`);
  console.log(`the same ${names.size} files`);
} finally {
  await rm(fresh, { recursive: true });
}
