/** The licences of everything in the bundle, and the versions, from the list of files esbuild read. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const LICENCE_FILE = /^(licen[cs]e|copying|notice|thirdpartynotices)(\.\w+)?$/i;
const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
/** Carried inside monaco-editor, but not in its notices. */
const INSIDE_MONACO = `Inside monaco-editor, beside what its notices name:
- DOMPurify (c) Cure53 and other contributors, Apache License 2.0 or Mozilla Public License 2.0; its text is
  below. Source: https://github.com/cure53/DOMPurify
- the Codicon font (c) Microsoft Corporation, Creative Commons Attribution 4.0 International
  (https://creativecommons.org/licenses/by/4.0/). Source: https://github.com/microsoft/vscode-codicons`;

/** `node_modules/@a/b/node_modules/c/x.js` -> `node_modules/@a/b/node_modules/c`. */
function folderOf(input) {
  const at = input.lastIndexOf("node_modules/");
  if (at < 0) return null;
  const [scope, name] = input.slice(at + "node_modules/".length).split("/");
  return input.slice(0, at) + "node_modules/" + (scope.startsWith("@") ? `${scope}/${name}` : scope);
}

function readPackage(folder) {
  const { name, version, license, author, repository } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const files = readdirSync(folder).filter((file) => LICENCE_FILE.test(file)).sort();
  return {
    name,
    version,
    license: typeof license === "string" ? license : "see below",
    author: typeof author === "object" ? author.name : (author ?? ""),
    source: (typeof repository === "object" ? repository.url : repository) ?? "",
    texts: files.map((file) => readFileSync(join(folder, file), "utf8").replace(/\r\n/g, "\n").trim()),
  };
}

/** Packages of the bundle by name, each with its version and licence texts. */
export function packagesOf(inputs) {
  const folders = new Set([...inputs].map(folderOf).filter((folder) => folder && existsSync(join(folder, "package.json"))));
  const packages = [...folders].map(readPackage);
  return packages.sort((a, b) => (`${a.name}@${a.version}` < `${b.name}@${b.version}` ? -1 : 1));
}

/** The package's own texts, or the standard one where it ships none and says MIT. */
function textOf({ name, license, author, texts }) {
  if (texts.length) return texts.join("\n\n");
  if (license !== "MIT") throw new Error(`${name}: no licence file, and ${license} is not MIT`);
  return `(No licence file in the package; its metadata says MIT.)\n\nCopyright (c) ${author || `the authors of ${name}`}\n\n${MIT}`;
}

/** `LICENSES.txt`. Throws for a package whose licence is not known. */
export function licenceText(packages) {
  const parts = packages.map((entry) => {
    const { name, version, license, author, source } = entry;
    const head = [`${name} ${version}`, `Licence: ${license}`, author && `Author: ${author}`, source && `Source: ${source}`];
    return `${head.filter(Boolean).join("\n")}\n\n${textOf(entry)}`;
  });
  const intro = `What the files in this folder are made of: ${packages.length} packages.\n\n${INSIDE_MONACO}`;
  return [intro, ...parts].join(`\n\n${"=".repeat(100)}\n\n`) + "\n";
}
