"""The backend against LiteLLM's proxy, a server that speaks OpenAI's API and that we did not write."""

from typing import Any

import pytest

from engine.backends.base import Backend
from engine.errors import ModelError
from engine.values import FinishReason, ModelTask, PredictionData, UsageSource
from tests.engine.backends.upstreams import answer_of, openai_spec, opened_openai
from tests.engine.specs import text
from tests.servers.litellm import KEY, STORY
from tests.servers.script import WORDS, model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEER_KEY", KEY)


def opened(url: str, name: str, task: ModelTask = ModelTask.TEXT_GENERATION, **config: Any) -> Any:
    return opened_openai(openai_spec(url, name, task, apiKeyEnv="PEER_KEY", **config))


async def failure(backend: Backend) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await answer_of(backend, text("Hello"))
    return caught.value


@pytest.mark.parametrize("api", ["chat", "completions"])
async def test_a_text_streams_with_the_servers_usage(litellm_url: str, api: str) -> None:
    async with opened(litellm_url, "story", api=api) as backend:
        told, result = await answer_of(backend, text("Tell me a story"))

    assert told == STORY
    assert result.output == {"finishReason": FinishReason.STOP}
    assert result.usage.source is UsageSource.PROVIDER
    assert result.usage.input_tokens
    assert result.usage.output_tokens


async def test_a_text_comes_through_token_by_token(litellm_url: str) -> None:
    async with opened(litellm_url, model(tokens=10, delay=0.01, cached=3)) as backend:
        told, result = await answer_of(backend, text("Tell me a story"))

    assert told == "".join(WORDS)
    assert (result.usage.input_tokens, result.usage.cached_input_tokens) == (4, 3)
    assert result.usage.output_tokens == 10


async def test_a_limit_on_tokens_ends_the_text(litellm_url: str) -> None:
    async with opened(litellm_url, model(tokens=10)) as backend:
        told, result = await answer_of(backend, text("Tell me a story", maxTokens=3))

    assert (told, result.output) == ("".join(WORDS[:3]), {"finishReason": FinishReason.LENGTH})


@pytest.mark.parametrize("vectors", [4, 1536])
async def test_texts_are_embedded(litellm_url: str, vectors: int) -> None:
    name = model("vectors", vectors=vectors)
    async with opened(litellm_url, name, ModelTask.EMBEDDING) as backend:
        _, result = await answer_of(backend, PredictionData("embedding", {"texts": ["one", "three"]}))

    assert result.output["dimensions"] == vectors
    assert [vector[0] for vector in result.output["embeddings"]] == [3, 5]
    assert result.usage.input_tokens == 2


@pytest.mark.parametrize(("name", "retryable"), [("limited", True), ("broken", True), ("too-long", False)])
async def test_its_errors_are_told_apart(litellm_url: str, name: str, retryable: bool) -> None:
    async with opened(litellm_url, name) as backend:
        error = await failure(backend)

    assert error.retryable is retryable
    assert "mock" in error.message


async def test_a_stream_that_breaks_behind_it_breaks_here(litellm_url: str) -> None:
    async with opened(litellm_url, model(tokens=50, cut=20, delay=0.02)) as backend:
        error = await failure(backend)

    assert error.retryable


async def test_a_wrong_key_is_refused_when_the_version_is_loaded(
    litellm_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEER_KEY", "sk-of-somebody-else")

    with pytest.raises(ModelError) as caught:
        async with opened(litellm_url, "story"):
            pass

    assert not caught.value.retryable
    assert "somebody" not in caught.value.message
