from typing import Any

import pytest

from engine.backends.failures import UnreadableError
from engine.backends.openai.embeddings import read_embeddings
from engine.errors import ModelError
from engine.values import ModelTask, PredictionData, Usage, UsageSource
from tests.engine.backends.upstreams import asked, openai_spec, opened_openai
from tests.servers.openai_compatible import ModelServer
from tests.servers.script import model

TEXTS = PredictionData("embedding", {"texts": ["one", "two three", "four"]})


def spec(server: ModelServer, **script: Any) -> Any:
    return openai_spec(server.url, model("vectors", **script), ModelTask.EMBEDDING)


@pytest.mark.parametrize("floats", [False, True])
async def test_every_text_gets_its_vector_in_its_place(server: ModelServer, floats: bool) -> None:
    told, result = await asked(spec(server, floats=floats), TEXTS)

    assert told == ""
    assert result.output == {
        "dimensions": 3,
        "embeddings": [[3.0, 0.5, 0.5], [9.0, 0.5, 0.5], [4.0, 0.5, 0.5]],
    }
    assert result.usage == Usage(UsageSource.PROVIDER, input_tokens=4)


async def test_the_server_is_asked_once_for_all_texts(server: ModelServer) -> None:
    await asked(spec(server), TEXTS)

    (call,) = server.calls
    assert call.path == "/v1/embeddings"
    assert call.body == {
        "model": "vectors",
        "input": ["one", "two three", "four"],
        "encoding_format": "base64",
    }


async def test_2048_texts_are_one_call(server: ModelServer) -> None:
    data = PredictionData("embedding", {"texts": [f"text {index}" for index in range(2048)]})

    _, result = await asked(spec(server, vectors=256), data)

    assert len(result.output["embeddings"]) == 2048
    assert len(server.calls) == 1


async def test_usage_is_estimated_where_the_server_tells_none(server: ModelServer) -> None:
    _, result = await asked(spec(server, usage=False), TEXTS)

    assert result.usage == Usage(UsageSource.ESTIMATED, input_tokens=5)


async def test_a_failing_server_is_asked_again(server: ModelServer) -> None:
    _, result = await asked(spec(server, fail=2, status=503), TEXTS)

    assert result.output["dimensions"] == 3
    assert len(server.calls) == 3


async def test_a_missing_vector_fails(server: ModelServer) -> None:
    with pytest.raises(ModelError, match="one embedding for each of 3 texts"):
        await asked(spec(server, vectors=0), TEXTS)


async def test_embeddings_may_be_made_again_and_texts_may_not(server: ModelServer) -> None:
    async with opened_openai(spec(server)) as embedding, opened_openai(openai_spec(server.url)) as generation:
        assert embedding.is_repeatable
        assert not generation.is_repeatable
        assert embedding.usage_of(TEXTS, "") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"data": 5}',
        b'{"data": [{}]}',
        b'{"data": [{"index": 0}]}',
        b'{"data": [{"index": 0, "embedding": null}]}',
        b'{"data": [{"index": 0, "embedding": []}]}',
        b'{"data": [{"index": 0, "embedding": [[1]]}]}',
        b'{"data": [{"index": 0, "embedding": ["a"]}]}',
        b'{"data": [{"index": 0, "embedding": [1e999]}]}',
        b'{"data": [{"index": 0, "embedding": "AAAA"}]}',
        b'{"data": [{"index": 0, "embedding": "%%%%"}]}',
        b'{"data": [{"index": 0, "embedding": "AADAfw=="}]}',
        b'{"data": [{"index": 1, "embedding": [1]}]}',
        b'{"data": [{"index": "0", "embedding": [1]}]}',
        b'{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}',
    ],
)
def test_what_is_no_embedding_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_embeddings(content, 1)


def test_vectors_of_different_lengths_are_refused() -> None:
    content = b'{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1, 2]}]}'

    with pytest.raises(UnreadableError):
        read_embeddings(content, 2)
