import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from db.tables.jobs import jobs
from engine.values import Scope
from schema.nodes import global_id
from tests.schema.batches import (
    BY_INDEX,
    GET,
    SUBMIT,
    control,
    ended,
    events,
    items,
    records,
    submit,
    submitted,
)
from tests.schema.graph import Graph

PREDICTIONS = """query ($id: ID!, $order: PredictionOrderInput, $after: String) {
  job(id: $id) { predictions(first: 40, orderBy: $order, after: $after) { totalCount
    nodes { index customId status attempts job { id } output { ... on TabularOutput { results { label } } }
      input { ... on TabularInputData { records } } error { code } }
    pageInfo { hasNextPage endCursor } } } }"""


async def test_a_job_tells_everything_about_itself(serving: Graph) -> None:
    caller = await serving.caller()

    accepted = await submit(serving, caller, 30, name="thirty", priority=2, metadata={"a": 1})
    job = await ended(serving, caller, accepted["job"]["id"])

    assert accepted["job"]["counts"] == {
        "total": 30, "queued": 30, "running": 0, "succeeded": 0, "failed": 0, "canceled": 0,
    }  # fmt: skip
    assert accepted["job"]["viewerCanCancel"]
    assert (job["status"], job["progress"], job["name"]) == ("SUCCEEDED", 1.0, "thirty")
    assert (job["priority"], job["metadata"], job["apiKey"]) == (2, {"a": 1}, {"name": "key"})
    assert (job["model"], job["modelVersion"]["version"]) == ({"name": "breast-cancer"}, "1")
    assert job["counts"]["succeeded"] == 30
    assert job["itemsPerSecond"] > 0
    assert (job["etaSeconds"], job["viewerCanCancel"]) == (None, False)
    assert job["createdAt"] <= job["startedAt"] <= job["finishedAt"]


async def test_items_are_predictions_of_the_job_in_the_order_of_the_source(serving: Graph) -> None:
    caller = await serving.caller()
    job_id = await submitted(serving, caller, 60)
    await ended(serving, caller, job_id)

    first = (await serving.data(caller, PREDICTIONS, id=job_id, order=BY_INDEX))["job"]["predictions"]
    after = first["pageInfo"]["endCursor"]
    rest = (await serving.data(caller, PREDICTIONS, id=job_id, order=BY_INDEX, after=after))["job"][
        "predictions"
    ]

    nodes = first["nodes"] + rest["nodes"]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (60, True)
    assert rest["pageInfo"]["hasNextPage"] is False
    assert [node["index"] for node in nodes] == list(range(60))
    assert [node["customId"] for node in nodes] == [f"item {number}" for number in range(60)]
    assert [node["input"]["records"] for node in nodes] == [[record] for record in records(60)]
    assert {node["job"]["id"] for node in nodes} == {job_id}


async def test_items_can_be_found_by_name_status_and_job(serving: Graph) -> None:
    caller = await serving.caller()
    job_id = await submitted(serving, caller, 10)
    await submitted(serving, caller, 2)
    await ended(serving, caller, job_id)
    document = """query ($filter: PredictionFilterInput) {
      predictions(filter: $filter) { totalCount nodes { index } } }"""

    async def found(**wanted: Any) -> list[int]:
        data = await serving.data(caller, document, filter={"jobId": job_id, **wanted})
        assert data["predictions"]["totalCount"] == len(data["predictions"]["nodes"])
        return sorted(node["index"] for node in data["predictions"]["nodes"])

    assert await found() == list(range(10))
    assert await found(customId=["item 3", "item 7", "item 70"]) == [3, 7]
    assert await found(status=["FAILED"]) == []
    assert await found(status=["FAILED", "SUCCEEDED"]) == list(range(10))


async def test_the_order_by_index_is_for_one_job(serving: Graph) -> None:
    caller = await serving.caller()
    document = "{ predictions(orderBy: {field: INDEX, direction: ASC}) { nodes { id } } }"

    assert await serving.codes(caller, document) == ["BAD_USER_INPUT"]


async def test_jobs_are_listed_newest_first_and_by_their_end(serving: Graph) -> None:
    caller = await serving.caller()
    ids = [await submitted(serving, caller) for _ in range(3)]
    for job_id in ids:
        await ended(serving, caller, job_id)
    document = """query ($order: JobOrderInput, $filter: JobFilterInput) {
      jobs(orderBy: $order, filter: $filter) { totalCount nodes { id } }
      model(ref: {name: "breast-cancer"}) {
        jobs(orderBy: $order, filter: $filter) { totalCount nodes { id } } } }"""

    newest = await serving.data(caller, document)
    finished = await serving.data(caller, document, order={"field": "FINISHED_AT", "direction": "DESC"})
    none = await serving.data(caller, document, filter={"status": ["FAILED", "CANCELED"]})

    assert newest["jobs"] == {"totalCount": 3, "nodes": [{"id": job_id} for job_id in ids[::-1]]}
    assert newest["model"]["jobs"] == newest["jobs"]
    assert sorted(node["id"] for node in finished["jobs"]["nodes"]) == sorted(ids)
    assert none["jobs"]["totalCount"] == none["model"]["jobs"]["totalCount"] == 0


async def test_what_is_wrong_with_items_is_told_with_paths_and_nothing_runs(serving: Graph) -> None:
    caller = await serving.caller()
    source = items(3)
    source[1]["data"]["tabular"]["records"] = [{**records(1)[0], "mean_radius": "large"}]
    source[2]["customId"] = "item 0"

    payload = await submit(serving, caller, source={"items": source})
    source[1] = items(2)[1]
    twice = await submit(serving, caller, source={"items": source})

    (wrong,) = payload["errors"]
    assert payload["job"] is None
    assert (wrong["__typename"], wrong["code"]) == ("InvalidInputError", "INVALID_INPUT")
    assert wrong["path"] == [
        "input",
        "source",
        "items",
        "1",
        "data",
        "tabular",
        "records",
        "0",
        "mean_radius",
    ]
    assert [error["path"] for error in twice["errors"]] == [["input", "source", "items", "2", "customId"]]
    assert (await serving.data(caller, "{ jobs { totalCount } }"))["jobs"]["totalCount"] == 0


async def test_all_that_is_wrong_with_a_batch_is_told_at_once(serving: Graph) -> None:
    caller = await serving.caller()

    refused = await submit(serving, caller, 1, priority=11, maxConcurrency=0, completionWindowSeconds=1)

    assert [error["path"][1] for error in refused["errors"]] == [
        "priority", "maxConcurrency", "completionWindowSeconds",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({"priority": 10}, ["input", "priority"]),
        ({"priority": -1}, ["input", "priority"]),
        ({"maxConcurrency": 0}, ["input", "maxConcurrency"]),
        ({"completionWindowSeconds": 59}, ["input", "completionWindowSeconds"]),
        ({"name": ""}, ["input", "name"]),
        ({"name": "\x1b[31mred"}, ["input", "name"]),
        ({"metadata": "x" * 20_000}, ["input", "metadata"]),
        ({"idempotencyKey": ""}, ["input", "idempotencyKey"]),
        ({"source": {"items": []}}, ["input", "source", "items"]),
        ({"callbackUrl": "http://169.254.169.254/latest"}, ["input", "callbackUrl"]),
        ({"model": {"name": "nobody"}}, ["input", "model", "name"]),
        ({"version": {"version": "9"}}, ["input", "version", "version"]),
    ],
)
async def test_a_batch_that_can_not_be_is_refused_by_path(
    idle: Graph, asked: dict[str, Any], path: list[str]
) -> None:
    caller = await idle.caller()

    payload = await submit(idle, caller, **asked)

    assert (payload["job"], [error["path"] for error in payload["errors"]]) == (None, [path])


async def test_the_same_idempotency_key_makes_one_job(serving: Graph) -> None:
    caller = await serving.caller()

    first, second = await asyncio.gather(
        *(submit(serving, caller, idempotencyKey="once", name="a") for _ in range(2))
    )
    other = await submit(serving, caller, idempotencyKey="once", name="b")

    assert first["job"]["id"] == second["job"]["id"]
    assert sorted([first["replayed"], second["replayed"]]) == [False, True]
    assert [error["code"] for error in other["errors"]] == ["IDEMPOTENCY_KEY_REUSED"]
    assert (await serving.data(caller, "{ jobs { totalCount } }"))["jobs"]["totalCount"] == 1


async def test_a_job_is_paused_resumed_and_canceled(idle: Graph) -> None:
    caller = await idle.caller()
    job_id = await submitted(idle, caller)

    paused = await control(idle, caller, "pause", job_id)
    resumed = await control(idle, caller, "resume", job_id)
    canceled = await control(idle, caller, "cancel", job_id)
    again = await control(idle, caller, "cancel", job_id)
    retried = await control(idle, caller, "retry", job_id)

    assert [step["job"]["status"] for step in (paused, resumed, canceled)] == ["PAUSED", "QUEUED", "CANCELED"]
    assert canceled["job"]["counts"] == {"canceled": 3}
    assert [error["code"] for error in again["errors"] + retried["errors"]] == ["CONFLICT", "CONFLICT"]


async def test_a_job_of_another_project_does_not_exist(serving: Graph) -> None:
    ours, theirs = await serving.caller("ours"), await serving.caller("theirs")
    job_id = await submitted(serving, ours)
    await ended(serving, ours, job_id)

    data = await serving.data(
        theirs, "query ($id: ID!) { job(id: $id) { id } node(id: $id) { id } jobs { totalCount } }", id=job_id
    )
    codes = [
        (await control(serving, theirs, verb, job_id))["errors"][0]["code"] for verb in ("pause", "retry")
    ]
    told = await events(serving, theirs, "subscription ($id: ID!) { jobProgress(id: $id) { id } }", id=job_id)

    assert data == {"job": None, "node": None, "jobs": {"totalCount": 0}}
    assert codes == ["NOT_FOUND", "NOT_FOUND"]
    assert told[0]["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_what_jobs_need_is_a_scope(idle: Graph) -> None:
    reader = await idle.caller("readers", [Scope.JOBS_READ])
    job_id = global_id("Job", "0" * 32)

    writing = await idle.codes(reader, SUBMIT, input={"model": {"name": "a"}, "source": {"items": items(1)}})
    putting = await idle.codes(
        reader, 'mutation { createUpload(input: {filename: "a", byteSize: 1}) { errors { code } } }'
    )
    reading = await idle.codes(reader, "query ($id: ID!) { job(id: $id) { id } }", id=job_id)

    assert (writing, putting, reading) == (["FORBIDDEN"], ["FORBIDDEN"], [])


async def test_a_job_that_ends_tells_its_webhook(serving: Graph) -> None:
    caller = await serving.caller()
    job_id = await submitted(serving, caller, callbackUrl="https://receiver.example/hook")
    await ended(serving, caller, job_id)

    async with serving.database.read() as connection:
        found = (await connection.exec_driver_sql("SELECT event, url FROM webhook_delivery")).all()

    assert [tuple(row) for row in found] == [("job.succeeded", "https://receiver.example/hook")]


async def test_the_time_that_is_left_is_told_while_a_job_runs(idle: Graph) -> None:
    caller = await idle.caller()
    job_id = await submitted(idle, caller, 100)
    async with idle.database.write() as connection:
        await connection.execute(update(jobs).values(status="RUNNING", rate=10.0, succeeded=40))

    job = (await idle.data(caller, GET, id=job_id))["job"]

    assert (job["etaSeconds"], job["itemsPerSecond"], job["progress"]) == (6.0, 10.0, 0.4)
