"""How a project brings an ONNX file of its own into service."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from db.session import Database
from engine.artifacts import Artifacts
from tests.engine import onnx_files
from tests.engine.specs import number_schema
from tests.schema.graph import Caller, Graph, opened_graph
from tests.schema.registering import create, ended_loading, predict, refused, register, run, version_at

UPLOAD = """mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) { upload { id url } errors { message } } }"""


@pytest.fixture
async def taking(any_database: Database, tmp_path: Path) -> AsyncIterator[Graph]:
    """The application, which takes model files of up to 100 kB."""
    async with opened_graph(any_database, url_of(any_database), **places(tmp_path, "here")) as graph:
        yield graph


def url_of(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


def places(folder: Path, name: str) -> dict[str, Any]:
    """Returns settings of a process with a disk of its own and the storage of all."""
    storage = f"file://{folder / 'storage'}"
    return {"data_directory": folder / name, "storage_url": storage, "max_model_bytes": 100_000}


async def uploaded(graph: Graph, caller: Caller, content: bytes, *, put: bool = True) -> str:
    told = {
        "filename": "model.onnx",
        "byteSize": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    made = (await graph.data(caller, UPLOAD, input=told))["createUpload"]["upload"]
    if put:
        url = urlsplit(made["url"])
        response = await graph.client.put(f"{url.path}?{url.query}", content=content)
        assert response.status_code == 201, response.text
    return str(made["id"])


def linear(folder: Path) -> bytes:
    return onnx_files.linear(folder / "linear.onnx", [1.0, 10.0], bias=0.5).read_bytes()


async def answered_soon(graph: Graph, caller: Caller) -> Any:
    """Asks until the process knows what came of the model; before, it says that it is not ready yet."""
    async with asyncio.timeout(30):
        while True:
            found = await predict(graph, caller, **DATA)
            if found["errors"] != [NOT_YET]:
                return found
            await asyncio.sleep(0.05)


NOT_YET = {"code": "MODEL_NOT_READY", "retryable": True}
TABULAR = {"task": "TABULAR_REGRESSION"}
SCHEMA: dict[str, Any] = {"inputSchema": number_schema(["a", "b"])}
DATA = {"data": {"tabular": {"records": [{"a": 1, "b": 2}]}}}


async def test_a_file_is_put_checked_and_served_by_every_process(
    taking: Graph, any_database: Database, tmp_path: Path
) -> None:
    caller = await taking.caller()
    await register(taking, caller, **TABULAR)
    upload_id = await uploaded(taking, caller, linear(tmp_path))

    made = await create(taking, caller, {"onnx": {"uploadId": upload_id}}, **SCHEMA)
    ready = await ended_loading(taking, caller, made["id"])
    here = await predict(taking, caller, **DATA)
    async with opened_graph(any_database, url_of(any_database), **places(tmp_path, "there")) as other:
        there = await answered_soon(other, caller)

    assert (ready["status"], ready["statusReason"]) == ("READY", None)
    assert ready["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 2]}]
    assert ready["outputs"] == [{"name": "value"}]
    for answered in (here, there):
        assert answered["prediction"]["status"] == "SUCCEEDED"


async def test_a_file_that_can_not_be_served_makes_its_version_fail_and_nothing_else(taking: Graph) -> None:
    caller = await taking.caller()
    await register(taking, caller, **TABULAR)
    upload_id = await uploaded(taking, caller, b"\x08\x07 broken")

    made = await create(taking, caller, {"onnx": {"uploadId": upload_id}}, **SCHEMA)
    failed = await ended_loading(taking, caller, made["id"])
    answered = await answered_soon(taking, caller)

    assert failed["status"] == "FAILED"
    assert "ONNX" in failed["statusReason"]
    assert answered["errors"] == [{"code": "MODEL_NOT_READY", "retryable": False}]


async def test_a_file_that_was_refused_is_not_checked_again_at_the_next_start(
    taking: Graph, any_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = await taking.caller()
    await register(taking, caller, **TABULAR)
    upload_id = await uploaded(taking, caller, b"\x08\x07 broken")
    made = await create(taking, caller, {"onnx": {"uploadId": upload_id}}, **SCHEMA)
    failed = await ended_loading(taking, caller, made["id"])
    checked: list[str] = []

    async def check(self: Artifacts, path: Path, sha256: str) -> None:
        checked.append(sha256)

    monkeypatch.setattr(Artifacts, "_check", check)
    async with opened_graph(any_database, url_of(any_database), **places(tmp_path, "here")) as other:
        again = await version_at(other, caller, made["id"])

    assert (failed["status"], again["status"], checked) == ("FAILED", "FAILED", [])
    assert again["statusReason"] == failed["statusReason"]


async def test_a_process_starts_while_files_of_projects_wait_for_their_check(
    taking: Graph, any_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()

    async def check(self: Artifacts, path: Path, sha256: str) -> None:
        await gate.wait()

    monkeypatch.setattr(Artifacts, "_check", check)
    caller = await taking.caller()
    await register(taking, caller, **TABULAR)
    upload_id = await uploaded(taking, caller, linear(tmp_path))
    made = await create(taking, caller, {"onnx": {"uploadId": upload_id}}, **SCHEMA)

    async with opened_graph(any_database, url_of(any_database), **places(tmp_path, "there")) as other:
        before = await predict(other, caller, **DATA)
        is_ready = await other.client.get("/ready")
        gate.set()
        await ended_loading(other, caller, made["id"])
        after = await answered_soon(other, caller)

    assert before["errors"] == [NOT_YET]
    assert (is_ready.status_code, is_ready.json()["checks"]["models"]) == (200, "ok")
    assert after["prediction"]["status"] == "SUCCEEDED"


async def test_the_name_of_a_version_that_failed_stays_taken_and_the_error_says_what_to_do(
    taking: Graph,
) -> None:
    caller = await taking.caller()
    await register(taking, caller, **TABULAR)
    broken = [await uploaded(taking, caller, b"broken") for _ in range(2)]
    await create(taking, caller, {"onnx": {"uploadId": broken[0]}}, **SCHEMA)

    told = {"model": {"name": "mine"}, "version": "1", "backend": {"onnx": {"uploadId": broken[1]}}, **SCHEMA}
    error = await refused(taking, caller, "createModelVersion", **told)

    assert (error["code"], error["path"]) == ("CONFLICT", ["input", "version"])
    assert error["message"].endswith("choose another name.")


async def test_an_upload_is_for_one_version_and_a_repeated_request_finds_it(
    taking: Graph, tmp_path: Path
) -> None:
    caller = await taking.caller()
    await register(taking, caller, **TABULAR)
    upload_id = await uploaded(taking, caller, linear(tmp_path))
    told = {"model": {"name": "mine"}, "backend": {"onnx": {"uploadId": upload_id}}, **SCHEMA}

    first = await run(taking, caller, "createModelVersion", version="1", idempotencyKey="k", **told)
    again = await run(taking, caller, "createModelVersion", version="1", idempotencyKey="k", **told)
    other = await refused(taking, caller, "createModelVersion", version="2", **told)

    assert (again["replayed"], again["modelVersion"]["id"]) == (True, first["modelVersion"]["id"])
    assert (other["code"], other["path"][-1]) == ("NOT_FOUND", "uploadId")


async def test_an_upload_that_is_anothers_or_empty_or_too_large_is_refused(taking: Graph) -> None:
    caller, stranger = await taking.caller(), await taking.caller("theirs")
    await register(taking, caller, **TABULAR)
    theirs = await uploaded(taking, stranger, b"x")
    nothing = await uploaded(taking, caller, b"x", put=False)
    large = await uploaded(taking, caller, bytes(100_001))

    codes = []
    for upload_id in (theirs, nothing, large):
        told = {"model": {"name": "mine"}, "version": "1", "backend": {"onnx": {"uploadId": upload_id}}}
        error = await refused(taking, caller, "createModelVersion", **told, **SCHEMA)
        assert error["path"] == ["input", "backend", "onnx", "uploadId"]
        codes.append(error["code"])

    assert codes == ["NOT_FOUND", "INVALID_INPUT", "PAYLOAD_TOO_LARGE"]
