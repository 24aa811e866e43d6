// Writes __generated__/schema.ts, the types of the whole schema, and __generated__/operations.ts, those of each
// operation of operations.graphql with its typed document.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

import { codegen } from '@graphql-codegen/core';
import * as typedDocumentNode from '@graphql-codegen/typed-document-node';
import * as typescript from '@graphql-codegen/typescript';
import * as typescriptOperations from '@graphql-codegen/typescript-operations';
import { parse } from 'graphql';

const read = (file) => parse(readFileSync(new URL(file, import.meta.url), 'utf8'));

const schema = read('../../../schema.graphql');
const documents = [{ location: 'operations.graphql', document: read('operations.graphql') }];
const config = {
  strictScalars: true,
  useTypeImports: true,
  scalars: { BigInt: 'string', DateTime: 'string', Decimal: 'string', JSON: 'unknown', URL: 'string' },
};

async function write(filename, pluginMap, documents) {
  const plugins = Object.keys(pluginMap).map((name) => ({ [name]: {} }));
  const code = await codegen({ filename, schema, documents, config, plugins, pluginMap });
  writeFileSync(new URL(`__generated__/${filename}`, import.meta.url), code);
}

// relay-compiler wants its own folder to be there, too.
mkdirSync(new URL('__generated__/relay', import.meta.url), { recursive: true });
await write('schema.ts', { typescript }, []);
await write('operations.ts', { typescriptOperations, typedDocumentNode }, documents);
