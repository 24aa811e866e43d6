"""What the Python peers share: the file, statements by hand, the shapes of rows, and the model."""

from __future__ import annotations

import os
import sqlite3
import time
from binascii import b2a_base64
from datetime import UTC, datetime
from typing import Any

import numpy as np
import onnxruntime as ort
import orjson
from uuid_utils import uuid7

FILE = os.environ["PEER_FILE"]
PROJECT = os.environ["PEER_PROJECT"]
PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -65536")

PAGE = """SELECT p.id, p.status, p.created_at, p.finished_at, p.cached, p.attempts, p.queue_ms,
  p.inference_ms, p.total_ms, v.id, v.version, m.id, m.name
FROM prediction p JOIN model_version v ON v.id = p.model_version_id JOIN model m ON m.id = p.model_id
WHERE p.project_id = ? ORDER BY p.id DESC LIMIT ?"""
ONE = """SELECT id, status, request_id, created_at, finished_at, cached, attempts, queue_ms, inference_ms,
  total_ms
FROM prediction WHERE project_id = ? AND id = ?"""
MODELS = """SELECT id, name, display_name, task, status FROM model
WHERE (project_id = ? OR project_id IS NULL) AND deleted_at IS NULL ORDER BY id DESC LIMIT ?"""
VERSIONS = """SELECT model_id, id, version, status, created_at FROM model_version
WHERE model_id IN ({}) ORDER BY id DESC"""
INSERT = """INSERT INTO prediction (id, project_id, model_id, model_version_id, status, request_id,
  created_at, started_at, finished_at, cached, attempts, cancel_requested, is_replaced, records,
  total_ms, input, output)
VALUES (?, ?, ?, ?, 'SUCCEEDED', ?, ?, ?, ?, 0, 1, 0, 0, 1, ?, ?, ?)"""


def connect() -> sqlite3.Connection:
    connection = sqlite3.connect(FILE, isolation_level=None, check_same_thread=False, timeout=5)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def moment(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    at = datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)
    return at.isoformat("T", "milliseconds") + "Z"


def global_id(kind: str, row_id: str) -> str:
    return b2a_base64(f"{kind}:{row_id}".encode(), newline=False).rstrip(b"=").decode()


def cursor(row_id: str) -> str:
    return b2a_base64(orjson.dumps(["CREATED_AT", row_id]), newline=False).rstrip(b"=").decode()


def page(connection: sqlite3.Connection, first: int) -> dict[str, Any]:
    rows = connection.execute(PAGE, (PROJECT, first + 1)).fetchall()
    nodes = [
        {
            "id": global_id("Prediction", row[0]),
            "status": row[1],
            "createdAt": moment(row[2]),
            "finishedAt": moment(row[3]),
            "cached": bool(row[4]),
            "attempts": row[5],
            "latency": {"queueMs": row[6], "inferenceMs": row[7], "totalMs": row[8]},
            "modelVersion": {"id": global_id("ModelVersion", row[9]), "version": row[10]},
            "model": {"id": global_id("Model", row[11]), "name": row[12]},
        }
        for row in rows[:first]
    ]
    end = cursor(rows[:first][-1][0]) if rows else None
    return {"nodes": nodes, "pageInfo": {"hasNextPage": len(rows) > first, "endCursor": end}}


def one(connection: sqlite3.Connection, row_id: str) -> dict[str, Any] | None:
    row = connection.execute(ONE, (PROJECT, row_id)).fetchone()
    return row and {
        "id": global_id("Prediction", row[0]),
        "status": row[1],
        "requestId": row[2],
        "createdAt": moment(row[3]),
        "finishedAt": moment(row[4]),
        "cached": bool(row[5]),
        "attempts": row[6],
        "latency": {"queueMs": row[7], "inferenceMs": row[8], "totalMs": row[9]},
    }


def models(connection: sqlite3.Connection, first: int) -> dict[str, Any]:
    rows = connection.execute(MODELS, (PROJECT, first)).fetchall()
    places = ",".join("?" * len(rows))
    versions: dict[str, list[dict[str, Any]]] = {row[0]: [] for row in rows}
    for row in connection.execute(VERSIONS.format(places), [row[0] for row in rows]):
        version = {"id": global_id("ModelVersion", row[1]), "version": row[2], "status": row[3]}
        versions[row[0]].append({**version, "createdAt": moment(row[4])})
    return {
        "nodes": [
            {
                "id": global_id("Model", row[0]),
                "name": row[1],
                "displayName": row[2],
                "task": row[3],
                "status": row[4],
                "versions": {"nodes": versions[row[0]]},
            }
            for row in rows
        ]
    }


class Regression:
    """The ONNX model, and where its answers are stored."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["PEER_MODEL"], options)
        self.name = self.session.get_inputs()[0].name
        named = "SELECT id, default_version_id FROM model WHERE name = 'diabetes'"
        self.model_id, self.version_id = connection.execute(named).fetchone()

    def run(self, records: list[dict[str, float]]) -> list[dict[str, float]]:
        rows = np.asarray([list(record.values()) for record in records], np.float32)
        (found,) = self.session.run(None, {self.name: rows})
        return [{"value": value} for value in found[:, 0].tolist()]

    def row(self, records: list[dict[str, float]], results: list[dict[str, float]]) -> tuple[Any, ...]:
        row_id, at = uuid7().hex, time.time_ns() // 1_000_000
        given, output = orjson.dumps({"records": records}), orjson.dumps({"results": results})
        keys = (row_id, PROJECT, self.model_id, self.version_id, row_id)
        return (*keys, at, at, at, 1.0, given.decode(), output.decode())

    def predict(self, connection: sqlite3.Connection, records: list[dict[str, float]]) -> dict[str, Any]:
        results = self.run(records)
        row = self.row(records, results)
        connection.execute(INSERT, row)
        output = {"__typename": "TabularOutput", "results": results}
        return {"id": global_id("Prediction", row[0]), "status": "SUCCEEDED", "output": output}
