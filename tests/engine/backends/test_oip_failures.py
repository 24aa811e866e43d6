"""What becomes of a prediction when a server that speaks the Open Inference Protocol fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from engine.backends.base import drain
from engine.errors import ErrorCode, ModelError
from engine.values import ModelTask
from tests.engine.backends.inferences import WAYS, asked, opened, spec_for
from tests.engine.specs import tabular
from tests.servers.open_inference import OpenInferenceServer, Trouble

every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
HTTP, GRPC = WAYS["json"], WAYS["grpc"]
RECORD = tabular({"a": 1, "b": 2})
KEY = "oip-secret-0123456789"
Code = grpc.StatusCode


@pytest.fixture
async def server() -> AsyncIterator[OpenInferenceServer]:
    async with OpenInferenceServer().serving() as server:
        yield server


async def failure(server: OpenInferenceServer, way: dict[str, Any], **config: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await asked(spec_for(server, "sum", **way, **config), RECORD)
    return caught.value


@every_way
async def test_a_server_that_has_too_much_to_do_is_asked_again(
    server: OpenInferenceServer, way: dict[str, Any]
) -> None:
    server.trouble = Trouble(fail=1, status=503, code=Code.UNAVAILABLE)

    result = await asked(spec_for(server, "sum", **way), RECORD)

    assert (result.output, server.calls) == ({"results": [{"value": 3.0}]}, 2)


@pytest.mark.parametrize(
    ("way", "trouble", "code", "retryable", "calls"),
    [
        (HTTP, Trouble(-1, 429, retry_after="99"), ErrorCode.MODEL_OVERLOADED, True, 1),
        (HTTP, Trouble(-1, 503), ErrorCode.MODEL_ERROR, True, 3),
        (HTTP, Trouble(-1, 500), ErrorCode.MODEL_ERROR, False, 1),
        (HTTP, Trouble(-1, 400), ErrorCode.MODEL_ERROR, False, 1),
        (HTTP, Trouble(-1, 302), ErrorCode.MODEL_ERROR, False, 1),
        (HTTP, Trouble(cut=True), ErrorCode.MODEL_ERROR, True, 3),
        (HTTP, Trouble(garbage=b"{"), ErrorCode.MODEL_ERROR, True, 3),
        (HTTP, Trouble(garbage=b'{"outputs": [1]}'), ErrorCode.MODEL_ERROR, True, 3),
        (GRPC, Trouble(-1, code=Code.UNAVAILABLE), ErrorCode.MODEL_ERROR, True, 3),
        (GRPC, Trouble(-1, code=Code.RESOURCE_EXHAUSTED), ErrorCode.MODEL_OVERLOADED, True, 3),
        (GRPC, Trouble(-1, code=Code.INTERNAL), ErrorCode.MODEL_ERROR, False, 1),
        (GRPC, Trouble(-1, code=Code.INVALID_ARGUMENT), ErrorCode.MODEL_ERROR, False, 1),
        (GRPC, Trouble(garbage=b"?"), ErrorCode.MODEL_ERROR, True, 3),
    ],
)
async def test_failures_are_told_apart_and_only_what_may_help_is_tried_again(
    server: OpenInferenceServer,
    way: dict[str, Any],
    trouble: Trouble,
    code: ErrorCode,
    retryable: bool,
    calls: int,
) -> None:
    server.trouble = trouble

    error = await failure(server, way)

    assert (error.code, error.retryable, server.calls) == (code, retryable, calls)


@every_way
async def test_what_the_model_says_is_passed_on_without_what_looks_like_a_secret(
    server: OpenInferenceServer, way: dict[str, Any]
) -> None:
    with pytest.raises(ModelError) as caught:
        await asked(spec_for(server, "sum", **way), tabular({"a": -1, "b": 2}))

    assert "a number is negative, says ***" in caught.value.message


@every_way
async def test_the_key_goes_to_the_server_and_nowhere_else(
    server: OpenInferenceServer, way: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OIP_KEY", KEY)
    server.key = KEY
    server.trouble = Trouble(fail=-1, status=400, code=Code.INVALID_ARGUMENT, message=f"your key: {KEY}")

    error = await failure(server, way, apiKeyEnv="OIP_KEY")
    refused = await failure(server, way)

    assert KEY not in error.message
    assert "your key: ***" in error.message
    assert "does not accept the key" in refused.message


@every_way
async def test_a_server_that_takes_too_long_is_not_asked_again(
    server: OpenInferenceServer, way: dict[str, Any]
) -> None:
    server.trouble = Trouble(delay=60)

    error = await failure(server, way, timeouts={"total": 0.2})

    assert (error.message, error.retryable) == ("The model server did not answer in time.", True)
    await server.until(calls=1, left=1)


@every_way
async def test_a_prediction_that_is_cancelled_is_cancelled_at_the_server(
    server: OpenInferenceServer, way: dict[str, Any]
) -> None:
    server.trouble = Trouble(delay=60)
    async with opened(spec_for(server, "sum", **way)) as backend:
        task = asyncio.create_task(drain(backend.predict(RECORD)))
        await server.until(calls=1)

        async with asyncio.timeout(1):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await server.until(left=1)

    assert task.cancelled()


@pytest.mark.parametrize("protocol", ["HTTP", "GRPC"])
async def test_a_server_that_is_not_there_is_worth_another_try(protocol: str) -> None:
    nowhere = OpenInferenceServer(url="http://127.0.0.1:9", grpc_url="http://127.0.0.1:9")

    error = await failure(nowhere, {"protocol": protocol})

    assert error.retryable
    assert "127.0.0.1" not in error.message


@every_way
async def test_a_model_that_is_not_ready_or_not_known_is_not_loaded(
    server: OpenInferenceServer, way: dict[str, Any]
) -> None:
    server.ready = False
    not_ready = await failure(server, way)
    server.ready = True
    with pytest.raises(ModelError) as unknown:
        await asked(spec_for(server, "nothing", ModelTask.TENSOR, **way), RECORD)

    assert not_ready.retryable
    assert not unknown.value.retryable


@every_way
async def test_a_probe_asks_for_readiness_and_not_for_an_answer(
    server: OpenInferenceServer, way: dict[str, Any]
) -> None:
    async with opened(spec_for(server, "sum", **way)) as backend:
        before = server.checks
        await backend.probe()
        server.ready = False
        with pytest.raises(ModelError):
            await backend.probe()

    assert (server.checks - before, server.calls) == (2, 0)
