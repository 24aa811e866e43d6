// What the peers in Node.js share: the file, statements by hand, the shapes of rows, and the model.
import Database from "better-sqlite3";
import { randomBytes } from "node:crypto";
import ort from "onnxruntime-node";

const { PEER_FILE, PEER_PROJECT, PEER_MODEL } = process.env;
const db = new Database(PEER_FILE, { timeout: 5000 });
for (const pragma of ["journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -65536"]) {
  db.pragma(pragma);
}

const pageOf = db.prepare(`SELECT p.id, p.status, p.created_at, p.finished_at, p.cached, p.attempts, p.queue_ms,
  p.inference_ms, p.total_ms, v.id AS version_id, v.version, m.id AS model_id, m.name
FROM prediction p JOIN model_version v ON v.id = p.model_version_id JOIN model m ON m.id = p.model_id
WHERE p.project_id = ? ORDER BY p.id DESC LIMIT ?`);
const plainPageOf = db.prepare(`SELECT id, status, created_at, finished_at, cached, attempts, queue_ms,
  inference_ms, total_ms, model_id, model_version_id FROM prediction WHERE project_id = ? ORDER BY id DESC LIMIT ?`);
const oneBy = db.prepare(`SELECT id, status, request_id, created_at, finished_at, cached, attempts, queue_ms,
  inference_ms, total_ms FROM prediction WHERE project_id = ? AND id = ?`);
const modelsOf = db.prepare(`SELECT id, name, display_name, task, status FROM model
WHERE (project_id = ? OR project_id IS NULL) AND deleted_at IS NULL ORDER BY id DESC LIMIT ?`);
const VERSIONS = "SELECT model_id, id, version, status, created_at FROM model_version WHERE ";
const versionsOfMany = db.prepare(`${VERSIONS} model_id IN (SELECT value FROM json_each(?)) ORDER BY id DESC`);
const versionsIn = db.prepare(`${VERSIONS} id IN (SELECT value FROM json_each(?))`);
const modelsIn = db.prepare(
  "SELECT id, name, display_name, task, status FROM model WHERE id IN (SELECT value FROM json_each(?))",
);
const insert = db.prepare(`INSERT INTO prediction (id, project_id, model_id, model_version_id, status, request_id,
  created_at, started_at, finished_at, cached, attempts, cancel_requested, is_replaced, records, total_ms, input, output)
VALUES (?, ?, ?, ?, 'SUCCEEDED', ?, ?, ?, ?, 0, 1, 0, 0, 1, ?, ?, ?)`);
const diabetes = db.prepare("SELECT id, default_version_id FROM model WHERE name = 'diabetes'").get();

const base64 = (text) => Buffer.from(text, "latin1").toString("base64url");
const globalId = (kind, id) => base64(`${kind}:${id}`);
const moment = (milliseconds) => (milliseconds === null ? null : new Date(milliseconds).toISOString());

const prediction = (row) => ({
  id: globalId("Prediction", row.id),
  status: row.status,
  requestId: row.request_id,
  createdAt: moment(row.created_at),
  finishedAt: moment(row.finished_at),
  cached: row.cached === 1,
  attempts: row.attempts,
  latency: { queueMs: row.queue_ms, inferenceMs: row.inference_ms, totalMs: row.total_ms },
});
const version = (row) => ({
  id: globalId("ModelVersion", row.id),
  version: row.version,
  status: row.status,
  createdAt: moment(row.created_at),
});
const model = (row) => ({
  key: row.id,
  id: globalId("Model", row.id),
  name: row.name,
  displayName: row.display_name,
  task: row.task,
  status: row.status,
});
const connection = (rows, first, nodes) => ({
  nodes,
  pageInfo: {
    hasNextPage: rows.length > first,
    endCursor: nodes.length ? base64(JSON.stringify(["CREATED_AT", rows[nodes.length - 1].id])) : null,
  },
});

/** A page with its versions and models, by one statement. */
export function joinedPage(first) {
  const rows = pageOf.all(PEER_PROJECT, first + 1);
  const nodes = rows.slice(0, first).map((row) => ({
    ...prediction(row),
    modelVersion: { id: globalId("ModelVersion", row.version_id), version: row.version },
    model: { id: globalId("Model", row.model_id), name: row.name },
  }));
  return connection(rows, first, nodes);
}

/** A page whose nodes know the keys of their version and model, for loaders. */
export function plainPage(first) {
  const rows = plainPageOf.all(PEER_PROJECT, first + 1);
  const nodes = rows
    .slice(0, first)
    .map((row) => ({ ...prediction(row), modelKey: row.model_id, versionKey: row.model_version_id }));
  return connection(rows, first, nodes);
}

export function onePrediction(id) {
  const row = oneBy.get(PEER_PROJECT, Buffer.from(id, "base64").toString("latin1").split(":")[1]);
  return row ? prediction(row) : null;
}

export function plainModels(first) {
  return { nodes: modelsOf.all(PEER_PROJECT, first).map(model) };
}

export function joinedModels(first) {
  const { nodes } = plainModels(first);
  const versions = versionsOf(nodes.map((node) => node.key));
  nodes.forEach((node, place) => (node.versions = versions[place]));
  return { nodes };
}

export function versionsOf(keys) {
  const found = new Map(keys.map((key) => [key, []]));
  for (const row of versionsOfMany.all(JSON.stringify(keys))) found.get(row.model_id).push(version(row));
  return keys.map((key) => ({ nodes: found.get(key) }));
}

const many = (statement, shape) => (keys) => {
  const found = new Map(statement.all(JSON.stringify([...new Set(keys)])).map((row) => [row.id, shape(row)]));
  return keys.map((key) => found.get(key) ?? null);
};
export const versionsBy = many(versionsIn, version);
export const modelsBy = many(modelsIn, model);

const session = await ort.InferenceSession.create(PEER_MODEL, { intraOpNumThreads: 1, interOpNumThreads: 1 });
const [inputName] = session.inputNames;
const [outputName] = session.outputNames;

/** Asks the model, stores the answer, and returns it. */
export async function predict(records) {
  const values = Float32Array.from(records.flatMap((record) => Object.values(record)));
  const tensor = new ort.Tensor("float32", values, [records.length, values.length / records.length]);
  const found = await session.run({ [inputName]: tensor });
  const results = Array.from(found[outputName].data, (value) => ({ value }));
  const at = Date.now();
  const id = at.toString(16).padStart(12, "0") + "7" + randomBytes(10).toString("hex").slice(0, 19);
  const keys = [id, PEER_PROJECT, diabetes.id, diabetes.default_version_id, id];
  insert.run(...keys, at, at, at, 1, JSON.stringify({ records }), JSON.stringify({ results }));
  return { id: globalId("Prediction", id), status: "SUCCEEDED", output: { __typename: "TabularOutput", results } };
}
