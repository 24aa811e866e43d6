import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from engine.backends.base import Token
from engine.backends.openai.reply import logprob_in
from engine.values import FinishReason, PredictionData, Usage, UsageSource
from tests.engine.backends.upstreams import answer_of, asked, events_of, openai_spec, opened_openai
from tests.engine.specs import text
from tests.engine.text_files import bytes_tokenizer
from tests.servers.openai_compatible import ModelServer
from tests.servers.script import WORDS, model

MESSAGES = [
    {"role": "SYSTEM", "content": "Be kind."},
    {"role": "USER", "content": "Hello"},
    {"role": "ASSISTANT", "content": "Hello!"},
]

both_apis = pytest.mark.parametrize("api", ["chat", "completions"])


def provided(**counts: int) -> Usage:
    return Usage(UsageSource.PROVIDER, **counts)


@both_apis
async def test_the_text_comes_with_the_servers_usage(server: ModelServer, api: str) -> None:
    spec = openai_spec(server.url, model(tokens=10, cached=2), api=api)

    told, result = await asked(spec, text("Tell me a story"))

    assert told == "".join(WORDS)
    assert result.output == {"finishReason": FinishReason.STOP}
    assert result.usage == provided(input_tokens=4, cached_input_tokens=2, output_tokens=10)


async def test_a_chat_is_asked_with_what_was_given_and_nothing_else(server: ModelServer) -> None:
    await asked(openai_spec(server.url), text("Hello", maxTokens=7))

    (call,) = server.calls
    assert call.path == "/v1/chat/completions"
    assert call.body == {
        "model": "story",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 7,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@both_apis
async def test_log_probabilities_are_told_where_they_are_asked_for(server: ModelServer, api: str) -> None:
    async with opened_openai(openai_spec(server.url, api=api, logprobs=True)) as backend:
        *tokens, _ = await events_of(backend, text("Hello", maxTokens=3))

    assert tokens == [Token("Once", 0.0), Token(" upon", -0.5), Token(" a", -1.0)]


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        5,
        {},
        {"content": [{"logprob": -1}, {"logprob": -2}]},
        {"content": ["x"]},
        {"token_logprobs": [1.5]},
        {"token_logprobs": [-(10**400)]},
    ],
)
def test_what_is_no_log_probability_of_one_token_is_none(logprobs: Any) -> None:
    assert logprob_in({"logprobs": logprobs}) is None


async def test_every_parameter_is_passed_on(server: ModelServer) -> None:
    data = text("Hello", maxTokens=3, temperature=0, topP=0.5, stop=["."], seed=0)

    await asked(openai_spec(server.url), data)

    body = server.calls[0].body
    assert [body[name] for name in ("max_tokens", "temperature", "top_p", "stop", "seed")] == [
        3,
        0,
        0.5,
        ["."],
        0,
    ]


async def test_a_conversation_keeps_its_roles(server: ModelServer) -> None:
    await asked(openai_spec(server.url), PredictionData("text", {"messages": MESSAGES}))

    assert server.calls[0].body["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello!"},
    ]


async def test_a_text_model_gets_a_conversation_as_one_text(server: ModelServer) -> None:
    await asked(openai_spec(server.url, api="completions"), PredictionData("text", {"messages": MESSAGES}))

    assert server.calls[0].path == "/v1/completions"
    assert server.calls[0].body["prompt"] == "Be kind.\n\nHello\n\nHello!"


async def test_newer_models_get_the_number_of_tokens_by_its_newer_name(server: ModelServer) -> None:
    told, _ = await asked(
        openai_spec(server.url, maxTokensField="max_completion_tokens"), text("Hello", maxTokens=3)
    )

    assert server.calls[0].body["max_completion_tokens"] == 3
    assert told == "".join(WORDS[:3])
    assert "max_tokens" not in server.calls[0].body


async def test_a_request_without_a_number_of_tokens_gets_one(server: ModelServer) -> None:
    await asked(openai_spec(server.url, maxTokens=100), text("Hello"))

    assert server.calls[0].body["max_tokens"] == 100


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("max_tokens", FinishReason.LENGTH),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("eos_token", FinishReason.STOP),
    ],
)
async def test_finish_reasons_are_mapped(server: ModelServer, finish: str, reason: FinishReason) -> None:
    _, result = await asked(openai_spec(server.url, model(finish=finish)), text("Hello"))

    assert result.output == {"finishReason": reason}


async def test_an_answer_may_be_empty(server: ModelServer) -> None:
    told, result = await asked(openai_spec(server.url, model(tokens=0)), text("Hello"))

    assert (told, result.output) == ("", {"finishReason": FinishReason.STOP})
    assert result.usage.output_tokens == 0


async def test_a_stream_that_ends_without_done_is_complete_if_it_said_why(server: ModelServer) -> None:
    told, result = await asked(openai_spec(server.url, model(done=False)), text("Hello"))

    assert told == "".join(WORDS[:5])
    assert result.usage.source is UsageSource.PROVIDER


async def test_usage_that_never_comes_takes_nothing_from_the_answer(server: ModelServer) -> None:
    spec = openai_spec(server.url, model(usage=False, done=False), streamUsage=False)

    told, result = await asked(spec, text("Tell me"))

    assert told == "".join(WORDS[:5])
    assert "stream_options" not in server.calls[0].body
    assert result.usage == Usage(UsageSource.ESTIMATED, input_tokens=2, output_tokens=5)


async def test_without_the_servers_usage_a_tokenizer_counts(server: ModelServer, tmp_path: Path) -> None:
    bytes_tokenizer().save(str(tmp_path / "tokenizer.json"))
    spec = openai_spec(server.url, model(usage=False), tokenizer=str(tmp_path / "tokenizer.json"))

    told, result = await asked(spec, text("Tell me"))

    written = len(told.encode())
    assert result.usage == Usage(UsageSource.COUNTED, input_tokens=7, output_tokens=written)


async def test_a_text_that_was_cut_is_counted_too(server: ModelServer, tmp_path: Path) -> None:
    bytes_tokenizer().save(str(tmp_path / "tokenizer.json"))
    estimated, counted = (
        openai_spec(server.url),
        openai_spec(server.url, tokenizer=f"{tmp_path}/tokenizer.json"),
    )

    async with opened_openai(estimated) as backend:
        guess = backend.usage_of(text("Tell me"), "Once upon")
    async with opened_openai(counted) as backend:
        count = backend.usage_of(text("Tell me"), "Once upon")
        long = backend.usage_of(text("Tell me"), "Once upon" * 10_000)

    assert guess == Usage(UsageSource.ESTIMATED, input_tokens=2, output_tokens=3)
    assert count == Usage(UsageSource.COUNTED, input_tokens=7, output_tokens=9)
    assert long == Usage(UsageSource.ESTIMATED, input_tokens=2, output_tokens=22_500)


async def test_a_compressed_answer_is_read_too() -> None:
    async def answer(_: web.Request) -> web.Response:
        event = {"choices": [{"delta": {"content": "Once"}, "finish_reason": "stop"}]}
        response = web.Response(text=f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n")
        response.enable_compression(web.ContentCoding.gzip)
        return response

    application = web.Application()
    application.router.add_post("/v1/chat/completions", answer)
    async with TestServer(application) as compressing:
        told, _ = await asked(openai_spec(str(compressing.make_url("/v1"))), text("Hello"))

    assert told == "Once"


async def test_calls_share_connections(server: ModelServer) -> None:
    async with opened_openai(openai_spec(server.url)) as backend:
        for _ in range(5):
            await answer_of(backend, text("Hello"))

        assert server.connections == 1


@pytest.mark.parametrize(
    "event",
    [
        '{"choices": [{"delta": {}, "finish_reason": {"odd": 1}}]}',
        '{"choices": [7]}',
        '{"choices": [], "usage": {"prompt_tokens": "many"}}',
        '{"choices": [], "usage": null, "extra": [[[[]]]]}',
        '{"choices": [{"delta": null, "text": null}]}',
        '{"choices": [{"delta": {"content": 5, "reasoning_content": "hm"}}]}',
    ],
)
async def test_odd_events_that_say_nothing_are_passed_over(server: ModelServer, event: str) -> None:
    told, _ = await asked(openai_spec(server.url, model(garbage=2, event=event)), text("Hello"))

    assert told == "".join(WORDS[:5])


@pytest.mark.parametrize(
    "usage", [{"prompt_tokens": -1}, {"prompt_tokens": 1.5}, {"prompt_tokens": True}, 7, []]
)
async def test_usage_that_makes_no_sense_is_not_believed(server: ModelServer, usage: Any) -> None:
    event = f'{{"choices": [], "usage": {usage}}}'.replace("'", '"').replace("True", "true")

    _, result = await asked(
        openai_spec(server.url, model(garbage=2, event=event, usage=False)), text("Hello")
    )

    assert result.usage.source is UsageSource.ESTIMATED


async def test_what_a_model_says_when_it_refuses_is_its_text(server: ModelServer) -> None:
    event = '{"choices": [{"delta": {"refusal": "No."}}]}'

    told, _ = await asked(openai_spec(server.url, model(tokens=1, garbage=0, event=event)), text("Hello"))

    assert told == "No.Once"
