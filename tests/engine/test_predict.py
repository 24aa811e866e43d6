import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from db.queries.predictions import COLUMNS
from engine.backends.base import Result
from engine.errors import (
    ContentFilteredError,
    ExpectedError,
    InvalidInputError,
    ManyErrors,
    ModelError,
    ModelNotReadyError,
    NotFoundError,
)
from engine.values import (
    DisconnectPolicy,
    ExplanationMethod,
    ModelRef,
    PredictionData,
    Usage,
    UsageSource,
    VersionRef,
)
from tests.engine.specs import tabular, tensors
from tests.engine.workshop import Workshop, request


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_prediction_is_stored_before_the_backend_is_asked(any_workshop: Workshop) -> None:
    found: list[Any] = []

    async def look() -> None:
        found.extend(await any_workshop.all_stored())

    any_workshop.backend.look = look

    row = await any_workshop.predict(3)

    (seen,) = found
    assert (seen.id, seen.status, seen.input) == (row.id, "RUNNING", {"records": [{"x": 3}]})
    assert seen.owner == any_workshop.here.runs.owner
    assert seen.finished_at is None


async def test_a_prediction_that_succeeds_is_kept_whole(any_workshop: Workshop) -> None:
    await any_workshop.ask(request(3, metadata={"order": 1}))

    (row,) = await any_workshop.all_stored()
    assert (row.status, row.attempts, row.request_id) == ("SUCCEEDED", 1, "request")
    assert (row.output, row.meta, row.error) == ({"results": [{"value": 3}]}, {"order": 1}, None)
    assert (row.usage_source, row.records, row.cost_nanos, row.currency) == ("COUNTED", 1, 1000, "USD")
    assert (row.owner, row.lease_until) == (None, None)
    assert row.started_at is not None
    assert row.finished_at is not None
    assert row.created_at <= row.started_at <= row.finished_at
    assert row.api_key_id == any_workshop.viewer.api_key_id


async def test_the_timings_add_up(workshop: Workshop) -> None:
    row = await workshop.predict()

    assert row.queue_ms is not None
    assert row.total_ms is not None
    assert row.inference_ms == 1.0
    assert 0 <= row.queue_ms <= row.total_ms


async def test_the_caller_gets_the_row_that_is_stored(workshop: Workshop) -> None:
    row = await workshop.predict()
    stored = await workshop.stored(row.id)

    assert [getattr(row, name) for name in COLUMNS] == [getattr(stored, name) for name in COLUMNS]


async def test_when_the_wait_is_over_the_prediction_is_running_and_goes_on(workshop: Workshop) -> None:
    workshop.backend.gate.clear()

    row = await workshop.predict(5, wait_ms=20)

    assert row.status == "RUNNING"
    workshop.backend.gate.set()
    assert (await workshop.ended(row.id)).output == {"results": [{"value": 5}]}


async def test_who_does_not_wait_gets_it_running_and_it_goes_on(workshop: Workshop) -> None:
    row = await workshop.predict(5, wait_ms=0)

    assert (row.status, row.finished_at) == ("RUNNING", None)
    assert (await workshop.ended(row.id)).status == "SUCCEEDED"


@pytest.mark.parametrize(
    ("error", "code", "retryable", "after"),
    [
        (
            ModelError("The server answered 500.", retryable=True, retry_after_seconds=2.5),
            "MODEL_ERROR",
            True,
            2.5,
        ),
        (ModelError("No such tensor."), "MODEL_ERROR", False, None),
        (ContentFilteredError(), "CONTENT_FILTERED", False, None),
    ],
)
async def test_a_backend_that_fails_makes_the_prediction_fail_with_its_reason(
    workshop: Workshop, error: ModelError, code: str, retryable: bool, after: float | None
) -> None:
    workshop.backend.error = error

    row = await workshop.predict()

    assert (row.status, row.output, row.attempts) == ("FAILED", None, 1)
    assert (await workshop.stored(row.id)).error == {
        "code": code,
        "message": error.message,
        "retryable": retryable,
        "retryAfterSeconds": after,
    }


async def test_what_a_backend_should_not_raise_is_logged_and_not_told(
    workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    workshop.backend.error = ZeroDivisionError("the secret is 42")

    with caplog.at_level(logging.ERROR):
        row = await workshop.predict()

    assert row.error is not None
    assert (row.error["code"], row.error["retryable"]) == ("INTERNAL", True)
    assert "42" not in str(row.error)
    assert "the secret is 42" in caplog.text


async def test_a_stream_that_ends_without_a_result_fails_and_may_be_tried_again(workshop: Workshop) -> None:
    workshop.backend.ends_early = True

    row = await workshop.predict()

    assert row.error is not None
    assert (row.status, row.error["code"], row.error["retryable"]) == ("FAILED", "MODEL_ERROR", True)


async def test_an_answer_that_can_not_be_stored_fails(workshop: Workshop) -> None:
    workshop.backend.result = Result({"results": [{"value": object()}]}, Usage(UsageSource.COUNTED))

    row = await workshop.predict()

    assert row.error is not None
    assert (row.status, row.output, row.error["code"]) == ("FAILED", None, "INTERNAL")
    assert (await workshop.stored(row.id)).status == "FAILED"


async def test_a_caller_that_leaves_does_not_end_the_prediction(workshop: Workshop) -> None:
    workshop.backend.gate.clear()
    caller = asyncio.create_task(workshop.predict())
    await workshop.backend.was_asked()

    caller.cancel()
    workshop.backend.gate.set()

    (row,) = await workshop.all_stored()
    assert (await workshop.ended(row.id)).status == "SUCCEEDED"


@pytest.mark.parametrize("patience", range(0, 40, 2))
async def test_whenever_a_caller_leaves_no_stored_prediction_is_left_open(
    workshop: Workshop, patience: int
) -> None:
    caller = asyncio.create_task(workshop.predict())
    await turns(patience)

    caller.cancel()
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)

    assert {row.status for row in await workshop.all_stored()} <= {"SUCCEEDED"}


async def test_a_caller_that_wants_it_canceled_with_him_gets_that(workshop: Workshop) -> None:
    workshop.backend.gate.clear()
    asked = request(on_disconnect=DisconnectPolicy.CANCEL)
    caller = asyncio.create_task(workshop.ask(asked))
    await workshop.backend.was_asked()

    caller.cancel()

    (row,) = await workshop.all_stored()
    assert (await workshop.ended(row.id)).status == "CANCELED"


async def test_work_that_takes_longer_than_its_deadline_fails_with_timeout(workshop: Workshop) -> None:
    workshop.backend.gate.clear()

    row = await workshop.ask(request(deadline_ms=20))

    assert row.error is not None
    assert (row.status, row.error["code"], row.error["retryable"]) == ("FAILED", "TIMEOUT", True)


async def test_three_hundred_predictions_at_once_each_get_their_own_answer(workshop: Workshop) -> None:
    rows = await asyncio.gather(*map(workshop.predict, range(300)))

    assert [row.output for row in rows] == [{"results": [{"value": x}]} for x in range(300)]
    assert {row.status for row in await workshop.all_stored()} == {"SUCCEEDED"}
    assert len(workshop.here.runs) == 0


@pytest.mark.parametrize(
    ("change", "error", "path"),
    [
        ({"model": ModelRef(name="none")}, NotFoundError, ("input", "model", "name")),
        ({"model": ModelRef(id="0" * 32)}, NotFoundError, ("input", "model", "id")),
        ({"version": VersionRef(version="9")}, NotFoundError, ("input", "version", "version")),
        ({"wait_ms": -1}, InvalidInputError, ("input", "waitMs")),
        ({"wait_ms": 60_001}, InvalidInputError, ("input", "waitMs")),
        ({"deadline_ms": 0}, InvalidInputError, ("input", "deadlineMs")),
        ({"metadata": "m" * 16_384}, InvalidInputError, ("input", "metadata")),
        ({"data": tensors(x=[1])}, InvalidInputError, ("input", "data", "tensor")),
        (
            {"data": tabular({"x": "one"})},
            InvalidInputError,
            ("input", "data", "tabular", "records", "0", "x"),
        ),
        ({"data": tabular({}, {"y": 1})}, ManyErrors, None),
        ({"data": PredictionData("tabular", {"records": None})}, InvalidInputError, None),
        ({"explain": ExplanationMethod.OCCLUSION}, InvalidInputError, ("input", "explain")),
    ],
)
async def test_what_is_refused_asks_no_backend_and_leaves_no_row(
    workshop: Workshop, change: dict[str, Any], error: type[ExpectedError], path: tuple[str, ...] | None
) -> None:
    asked = replace(request(), **change)

    with pytest.raises(error) as refused:
        await workshop.ask(asked)

    assert path is None or refused.value.path == path
    assert workshop.backend.calls == []
    assert await workshop.all_stored() == []


async def test_metadata_of_just_16_kib_is_taken(workshop: Workshop) -> None:
    row = await workshop.ask(request(metadata="m" * 16_382))

    assert row.status == "SUCCEEDED"


async def test_a_model_of_another_project_does_not_exist(workshop: Workshop) -> None:
    stranger = replace(workshop.viewer, project_id="f" * 32)
    (model,) = {version.model.id for version in workshop.here.catalog.versions()}
    async with workshop.database.write() as connection:
        await connection.exec_driver_sql("UPDATE model SET project_id = (SELECT id FROM project)")
    await workshop.here.catalog.refresh()

    assert (await workshop.predict()).status == "SUCCEEDED"
    for ref in (ModelRef(name="told"), ModelRef(id=model)):
        with pytest.raises(NotFoundError):
            await workshop.ask(replace(request(), model=ref), viewer=stranger)


async def test_a_version_that_is_not_ready_refuses_and_says_why(workshop: Workshop) -> None:
    async with workshop.database.write() as connection:
        await connection.exec_driver_sql("UPDATE model_version SET status = 'FAILED', status_reason = 'gone'")
    await workshop.here.catalog.refresh()

    with pytest.raises(ModelNotReadyError, match="FAILED: gone") as refused:
        await workshop.ask(request())

    assert refused.value.retryable is False
    assert await workshop.all_stored() == []
