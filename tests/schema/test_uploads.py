import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from foretell import uploads
from tests.schema.batches import (
    GET,
    ended,
    items,
    submit,
    submitted,
)
from tests.schema.graph import Caller, Graph
from tests.schema.registering import ERRORS


def target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


async def upload(graph: Graph, caller: Caller, content: bytes, **more: Any) -> Any:
    document = f"""mutation ($input: CreateUploadInput!) {{ createUpload(input: $input) {{
      upload {{ id url method byteSize filename expiresAt }} {ERRORS} }} }}"""
    asked = {"filename": "items.jsonl", "byteSize": len(content), **more}
    return (await graph.data(caller, document, input=asked))["createUpload"]


def lines(count: int) -> bytes:
    return b"".join(orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE) for item in items(count))


async def test_a_file_becomes_a_job_and_its_results_a_file_in_the_same_order(serving: Graph) -> None:
    caller = await serving.caller()
    content = lines(1200)
    made = (await upload(serving, caller, content, sha256=hashlib.sha256(content).hexdigest()))["upload"]

    put = await serving.client.put(target(made["url"]), content=content)
    job_id = await submitted(serving, caller, source={"uploadId": made["id"]})
    job = await ended(serving, caller, job_id)
    response = await serving.client.get(target(job["resultsUrl"]))

    results = [json.loads(line) for line in response.text.splitlines()]
    assert (made["method"], made["byteSize"], put.status_code) == ("PUT", str(len(content)), 201)
    assert job["counts"]["succeeded"] == 1200
    assert [result["index"] for result in results] == list(range(1200))
    assert results[7]["customId"] == "item 7"
    assert (results[7]["status"], results[7]["error"]) == ("SUCCEEDED", None)
    assert results[7]["output"]["results"][0]["label"] in ("benign", "malignant")
    assert response.headers["content-type"] == "application/jsonl"
    assert response.headers["cache-control"] == "no-store"


async def test_an_upload_can_not_be_used_before_it_is_there_nor_by_another_project(idle: Graph) -> None:
    ours, theirs = await idle.caller("ours"), await idle.caller("theirs")
    made = (await upload(idle, ours, b"x"))["upload"]

    early = await submit(idle, ours, source={"uploadId": made["id"]})
    stolen = await submit(idle, theirs, source={"uploadId": made["id"]})

    assert [error["code"] for error in early["errors"] + stolen["errors"]] == ["INVALID_INPUT", "NOT_FOUND"]


async def test_problems_of_a_file_name_line_and_path(idle: Graph) -> None:
    caller = await idle.caller()
    content = lines(2) + b"{broken\n" + b'{"data": {"tabular": {"records": [{}, 5]}}}\n'
    made = (await upload(idle, caller, content))["upload"]
    await idle.client.put(target(made["url"]), content=content)

    payload = await submit(idle, caller, source={"uploadId": made["id"]})

    paths = [error["path"] for error in payload["errors"]]
    assert payload["job"] is None
    assert paths[0] == ["input", "source", "uploadId", "3"]
    assert paths[1][:9] == [
        "input",
        "source",
        "uploadId",
        "4",
        "data",
        "tabular",
        "records",
        "0",
        "mean_radius",
    ]
    assert paths[-1][3:8] == ["4", "data", "tabular", "records", "1"]
    assert all(error["message"].startswith(("Line 3: ", "Line 4: ")) for error in payload["errors"])


@pytest.mark.parametrize(
    ("content", "sha256", "status"),
    [(b"12345", None, 422), (b"1234567", None, 413), (b"123456", "0" * 64, 422)],
)
async def test_a_file_that_is_not_what_was_said_is_not_kept(
    idle: Graph, content: bytes, sha256: str | None, status: int
) -> None:
    caller = await idle.caller()
    made = (await upload(idle, caller, b"123456", sha256=sha256))["upload"]

    wrong = await idle.client.put(target(made["url"]), content=content)
    early = await submit(idle, caller, source={"uploadId": made["id"]})

    assert wrong.status_code == status
    assert early["errors"][0]["message"] == "Nothing was put there yet."


async def test_a_file_that_stops_coming_is_given_up_and_may_be_sent_again(
    idle: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "STALL_SECONDS", 0.2)
    made = (await upload(idle, await idle.caller(), lines(3)))["upload"]

    async def dripping() -> AsyncIterator[bytes]:
        yield lines(1)
        await asyncio.sleep(60)

    slow = await idle.client.put(target(made["url"]), content=dripping())
    again = await idle.client.put(target(made["url"]), content=lines(3))

    error = slow.json()["error"]
    assert (slow.status_code, error["code"], error["retryable"], again.status_code) == (
        408,
        "TIMEOUT",
        True,
        201,
    )
    assert error["requestId"] == slow.headers["x-request-id"]


async def test_the_same_file_put_again_is_the_same_request(idle: Graph) -> None:
    caller = await idle.caller()
    made = [(await upload(idle, caller, lines(3)))["upload"] for _ in range(2)]
    other = (await upload(idle, caller, lines(4)))["upload"]
    for each, count in ((made[0], 3), (made[1], 3), (other, 4)):
        await idle.client.put(target(each["url"]), content=lines(count))

    first, again, wrong = [
        await submit(idle, caller, source={"uploadId": each["id"]}, idempotencyKey="once")
        for each in (*made, other)
    ]

    assert (first["job"]["id"], again["replayed"]) == (again["job"]["id"], True)
    assert [error["code"] for error in wrong["errors"]] == ["IDEMPOTENCY_KEY_REUSED"]


async def test_a_file_is_put_once(idle: Graph) -> None:
    caller = await idle.caller()
    made = (await upload(idle, caller, b"123"))["upload"]

    statuses = [(await idle.client.put(target(made["url"]), content=b"123")).status_code for _ in range(2)]

    assert statuses == [201, 409]


async def test_an_address_without_its_signature_leads_nowhere(idle: Graph) -> None:
    caller = await idle.caller()
    made = (await upload(idle, caller, b"123"))["upload"]
    job = (await idle.data(caller, GET, id=await submitted(idle, caller)))["job"]
    put, get = target(made["url"]), target(job["resultsUrl"])

    statuses = [
        (await idle.client.put(put.split("?")[0], content=b"123")).status_code,
        (await idle.client.put(put[:-1], content=b"123")).status_code,
        (await idle.client.get(get.replace("expires=1", "expires=2"))).status_code,
        (await idle.client.get(get.split("?")[0])).status_code,
        (await idle.client.get(get)).status_code,
    ]

    assert statuses == [404, 404, 404, 404, 200]


@pytest.mark.parametrize(
    ("asked", "path", "code", "constraint"),
    [
        ({"byteSize": 0}, "byteSize", "INVALID_INPUT", "minimum: 1"),
        ({"byteSize": -1}, "byteSize", "INVALID_INPUT", "minimum: 1"),
        ({"byteSize": 1024**3 + 1}, "byteSize", "PAYLOAD_TOO_LARGE", f"maximum: {1024**3}"),
        ({"filename": ""}, "filename", "INVALID_INPUT", "maxLength: 255"),
        ({"filename": "../x"}, "filename", "INVALID_INPUT", "maxLength: 255"),
        ({"sha256": "abc"}, "sha256", "INVALID_INPUT", "[0-9a-f]{64}"),
    ],
)
async def test_an_upload_that_can_not_be_is_refused(
    idle: Graph, asked: dict[str, Any], path: str, code: str, constraint: str
) -> None:
    caller = await idle.caller()

    payload = await upload(idle, caller, b"x", **asked)

    (error,) = payload["errors"]
    assert (payload["upload"], error["path"], error["code"]) == (None, ["input", path], code)
    assert error["constraint"] == constraint
