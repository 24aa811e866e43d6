import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest

from engine.backends.base import Backend, Token
from engine.errors import ContentFilteredError, ModelError, ProcessingError
from engine.values import PredictionData
from tests.engine.backends.upstreams import answer_of, asked, openai_spec, opened_openai
from tests.engine.specs import text
from tests.servers.openai_compatible import ModelServer
from tests.servers.script import WORDS, model

HELLO = text("Hello")


async def failure(backend: Backend, data: PredictionData = HELLO) -> tuple[str, ProcessingError]:
    """Returns the text that came before a failure, and the failure."""
    told = ""
    try:
        async for event in backend.predict(data):
            told += event.text if isinstance(event, Token) else ""
    except ProcessingError as error:
        return told, error
    raise AssertionError(told)


async def failed(server: ModelServer, config: dict[str, Any] | None = None, /, **script: Any) -> Any:
    """Returns what `failure` does, of a model that behaves by a script."""
    async with opened_openai(openai_spec(server.url, model(**script), **(config or {}))) as backend:
        return await failure(backend)


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (400, False),
        (402, False),
        (404, False),
        (413, False),
        (422, False),
        (408, True),
        (409, True),
        (429, True),
        (500, True),
        (502, True),
        (503, True),
        (529, True),
    ],
)
async def test_statuses_tell_whether_to_try_again(server: ModelServer, status: int, retryable: bool) -> None:
    _, error = await failed(server, fail=-1, status=status, retry_after="60")

    assert isinstance(error, ModelError)
    assert error.message == f"The model server answered {status}: It failed."
    assert error.retryable is retryable
    assert error.retry_after_seconds == (60 if retryable else None)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_never_shown(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("STORY_KEY", "tiger-lily-42")

    _, error = await failed(
        server, {"apiKeyEnv": "STORY_KEY"}, fail=-1, status=status, message="Wrong key: tiger-lily-42"
    )

    assert error.message == f"The model server does not accept the key ({status})."
    assert not error.retryable


async def test_a_message_is_passed_on_without_secrets(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORY_KEY", "tiger-lily-42")
    message = "Bad\nmaxTokens for tiger-lily-42, sk-proj-12345678, Bearer abc.def of org-Abc123x."

    _, error = await failed(server, {"apiKeyEnv": "STORY_KEY"}, fail=-1, status=400, message=message)

    assert error.message == "The model server answered 400: Bad maxTokens for ***, ***, *** of ***."


@pytest.mark.parametrize("raw", ["<html>secret proxy page</html>", '{"unexpected": "form"}', '["list"]', " "])
async def test_a_body_that_is_no_error_is_not_passed_on(server: ModelServer, raw: str) -> None:
    _, error = await failed(server, fail=-1, status=502, raw=raw, retry_after="60")

    assert error.message == "The model server answered 502."


async def test_refused_content_is_its_own_error(server: ModelServer) -> None:
    _, error = await failed(server, fail=-1, status=400, code="content_filter")

    assert isinstance(error, ContentFilteredError)
    assert not error.retryable


async def test_an_account_without_money_is_not_asked_again(server: ModelServer) -> None:
    _, error = await failed(server, fail=-1, status=429, code="insufficient_quota")

    assert not error.retryable
    assert len(server.calls) == 1


async def test_a_redirect_is_not_followed(server: ModelServer) -> None:
    async with ModelServer().serving() as other:
        _, error = await failed(server, redirect=f"{other.url}/chat/completions")

    assert "redirects (307)" in error.message
    assert not error.retryable
    assert other.calls == []


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_that_fails_twice_is_asked_a_third_time(server: ModelServer, status: int) -> None:
    told, _ = await asked(openai_spec(server.url, model(fail=2, status=status)), HELLO)

    assert told == "".join(WORDS[:5])
    assert len(server.calls) == 3


async def test_a_server_that_fails_three_times_is_not_asked_again(server: ModelServer) -> None:
    told, error = await failed(server, fail=3, status=503)

    assert (told, error.retryable) == ("", True)
    assert len(server.calls) == 3


async def test_a_wait_that_the_server_asks_for_is_kept(server: ModelServer) -> None:
    started = time.monotonic()

    await asked(openai_spec(server.url, model(fail=1, status=429, retry_after="1")), HELLO)

    assert 1.0 <= time.monotonic() - started < 3
    assert len(server.calls) == 2


async def test_a_longer_wait_is_left_to_the_caller(server: ModelServer) -> None:
    _, error = await failed(server, fail=1, status=429, retry_after="11")

    assert (error.retryable, error.retry_after_seconds) == (True, 11)
    assert len(server.calls) == 1


async def test_an_outage_does_not_double_the_calls(server: ModelServer) -> None:
    async with opened_openai(openai_spec(server.url, model(fail=-1, status=503))) as backend:
        await asyncio.gather(*(failure(backend) for _ in range(20)))

    assert len(server.calls) <= 2 * 20


async def test_what_breaks_before_the_first_token_is_tried_again(server: ModelServer) -> None:
    told, error = await failed(server, cut=0)

    assert told == ""
    assert len(server.calls) == 3
    assert error.message == "The connection to the model server broke off."


BROKEN = {
    "cut off": {"cut": 3},
    "cut in a character": {"cut": 3, "half": True},
    "ended in a character": {"cut": 3, "half": True, "clean": True},
    "ended without a reason": {"cut": 3, "clean": True},
    "done without a reason": {"tokens": 3, "finish": ""},
    "not json": {"garbage": 3},
    "a list": {"garbage": 3, "event": "[1]"},
    "a number": {"garbage": 3, "event": "7"},
    "null": {"garbage": 3, "event": "null"},
    "other json": {"garbage": 3, "event": '{"hello": 1}'},
    "nested too deep": {"garbage": 3, "event": "[", "repeat": 100_000},
    "an error": {"garbage": 3, "event": '{"error": {"message": "overloaded", "code": 529}}'},
    "an error of a word": {"garbage": 3, "event": '{"error": "overloaded"}'},
    "an error as the reason": {"tokens": 3, "finish": "error"},
}


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
async def test_what_breaks_after_the_first_token_fails_and_is_not_tried_again(
    server: ModelServer, script: dict[str, Any]
) -> None:
    told, error = await failed(server, **script)

    assert told == "".join(WORDS[:3])
    assert isinstance(error, ModelError)
    assert error.retryable
    assert len(server.calls) == 1


async def test_an_error_in_the_stream_is_told_without_secrets(server: ModelServer) -> None:
    event = '{"error": {"message": "The engine sk-abcdefgh is overloaded"}}'

    _, error = await failed(server, garbage=3, event=event)

    assert error.message == "The model server broke off: The engine *** is overloaded."


async def test_content_refused_in_the_stream_is_its_own_error(server: ModelServer) -> None:
    told, error = await failed(server, garbage=3, event='{"error": {"code": "content_filter"}}')

    assert told == "".join(WORDS[:3])
    assert isinstance(error, ContentFilteredError)


@pytest.mark.parametrize(
    ("script", "timeouts", "shown"),
    [
        ({"accept_delay": 30}, {"firstToken": 0.3}, 0),
        ({"first_delay": 30}, {"firstToken": 0.3}, 0),
        ({"stall": 0}, {"firstToken": 0.3}, 0),
        ({"stall": 3}, {"betweenTokens": 0.3}, 3),
        ({"tokens": 1000, "delay": 0.05}, {"total": 0.5}, None),
        ({"accept_delay": 30}, {"total": 0.3}, 0),
        ({"fail": -1, "status": 503, "retry_after": "9"}, {"total": 0.3}, 0),
    ],
)
async def test_a_server_that_stalls_is_left_in_time_and_not_asked_again(
    server: ModelServer, script: dict[str, Any], timeouts: dict[str, float], shown: int | None
) -> None:
    started = time.monotonic()

    told, error = await failed(server, {"timeouts": timeouts}, **script)

    assert time.monotonic() - started < 2
    assert (error.message, error.retryable) == ("The model server did not answer in time.", True)
    assert len(server.calls) == 1
    assert told == "".join(WORDS[:shown]) if shown is not None else told.startswith("Once")
    await server.until(live=0)


async def test_a_slow_server_is_waited_for(server: ModelServer) -> None:
    timeouts = {"firstToken": 1.0, "betweenTokens": 0.5}
    spec = openai_spec(server.url, model(first_delay=0.4, delay=0.2), timeouts=timeouts)

    told, _ = await asked(spec, HELLO)

    assert told == "".join(WORDS[:5])


async def test_a_stall_after_the_text_takes_nothing_from_it(server: ModelServer) -> None:
    event = '{"choices": [{"delta": {}, "finish_reason": "stop"}]}'

    spec = openai_spec(server.url, model(garbage=3, event=event, stall=3), timeouts={"betweenTokens": 0.3})

    told, result = await asked(spec, HELLO)

    assert told == "".join(WORDS[:3])
    assert result.usage.output_tokens is not None


async def test_a_server_that_went_away_can_not_be_reached() -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ModelServer().serving())
        async with opened_openai(openai_spec(server.url)) as backend:
            await stack.aclose()

            _, error = await failure(backend)

    assert (error.message, error.retryable) == ("The model server can not be reached.", True)


async def test_one_bad_call_does_not_touch_its_neighbours(server: ModelServer) -> None:
    good, bad = openai_spec(server.url, model(tokens=50, delay=0.005)), openai_spec(server.url, model(cut=2))

    async with opened_openai(good) as well, opened_openai(bad) as broken:
        failures = asyncio.gather(*(failure(broken) for _ in range(3)))
        answers = await asyncio.gather(*(answer_of(well, HELLO) for _ in range(3)))
        await failures

    assert [told for told, _ in answers] == ["".join(WORDS * 5)] * 3


async def test_being_throttled_is_told_from_other_failures(server: ModelServer) -> None:
    _, throttled = await failed(server, fail=-1, status=429, retry_after="60")
    _, broken = await failed(server, fail=-1, status=503, retry_after="60")

    assert (throttled.code, broken.code) == ("MODEL_OVERLOADED", "MODEL_ERROR")
