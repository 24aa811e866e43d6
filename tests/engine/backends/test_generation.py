import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from engine.backends.base import Backend, Result, Token, VersionSpec
from engine.backends.generation import TEXTS_AT_ONCE, GenerationBackend
from engine.backends.registry import onnx_backend
from engine.errors import ModelError
from engine.values import FinishReason, ModelTask, PredictionData, Usage, UsageSource
from tests.engine.specs import embedded_spec, examples, tabular, text
from tests.engine.text_files import parrot
from training.sample import Sampling, generate, open_model

LONG = "It is a truth universally acknowledged, that a parrot says what it was made to say. " * 2


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads of each call of ONNX Runtime, which still runs."""
    seen: list[str] = []
    run = ort.InferenceSession.run

    def watched(session: Any, *rest: Any) -> Any:
        seen.append(threading.current_thread().name)
        return run(session, *rest)

    monkeypatch.setattr(ort.InferenceSession, "run", watched)
    return seen


@asynccontextmanager
async def opened(spec: VersionSpec, threads: int = 1) -> AsyncIterator[Backend]:
    """Yields the backend of a text model, loaded."""
    with ThreadPoolExecutor(threads, "inference") as executor:
        backend = onnx_backend(spec, executor)
        await backend.load()
        yield backend
        await backend.close()


async def written(backend: Backend, data: PredictionData) -> tuple[list[str], Result]:
    async with aclosing(backend.predict(data)) as events:  # type: ignore[type-var]
        *tokens, result = [event async for event in events]
    assert isinstance(result, Result)
    return [token.text for token in tokens if isinstance(token, Token)], result


async def text_of(backend: Backend, data: PredictionData) -> str:
    return "".join((await written(backend, data))[0])


def read(spec: VersionSpec, name: str) -> str:
    return Path(spec.config[name]).read_text()


def write(spec: VersionSpec, name: str, content: str) -> None:
    Path(spec.config[name]).write_text(content)


def counted(input_tokens: int, output_tokens: int) -> Usage:
    return Usage(UsageSource.COUNTED, input_tokens=input_tokens, output_tokens=output_tokens)


async def test_a_text_comes_token_by_token_until_the_model_ends_it(tmp_path: Path) -> None:
    async with opened(parrot(tmp_path, "Polly!")) as backend:
        pieces, result = await written(backend, text("?"))

    assert pieces == list("Polly!")
    assert result.output == {"finishReason": FinishReason.STOP}
    assert result.usage == counted(1, 6)


async def test_a_character_of_several_tokens_comes_whole(tmp_path: Path) -> None:
    async with opened(parrot(tmp_path, "a£😀é")) as backend:
        pieces, result = await written(backend, text("?"))

    assert pieces == ["a", "£", "😀", "é"]
    assert result.usage.output_tokens == 9


async def test_half_a_character_at_the_end_is_dropped(tmp_path: Path) -> None:
    async with opened(parrot(tmp_path, "a😀")) as backend:
        pieces, result = await written(backend, text("?", maxTokens=3))

    assert pieces == ["a"]
    assert result.output == {"finishReason": FinishReason.LENGTH}
    assert result.usage.output_tokens == 3


async def test_nul_is_replaced_for_no_database_takes_it(tmp_path: Path) -> None:
    async with opened(parrot(tmp_path, "a\0b")) as backend:
        assert await text_of(backend, text("?")) == "a\ufffdb"


async def test_an_answer_may_be_empty(tmp_path: Path) -> None:
    async with opened(parrot(tmp_path, "")) as backend:
        pieces, result = await written(backend, text("?"))

    assert pieces == []
    assert (result.output, result.usage) == ({"finishReason": FinishReason.STOP}, counted(1, 0))


async def test_no_more_tokens_are_written_than_were_asked_for(tmp_path: Path) -> None:
    async with opened(parrot(tmp_path, "Polly!")) as backend:
        pieces, result = await written(backend, text("?", maxTokens=2))

    assert ("".join(pieces), result.output) == ("Po", {"finishReason": FinishReason.LENGTH})


async def test_a_text_ends_where_the_context_does(tmp_path: Path) -> None:
    async with opened(parrot(tmp_path, "Polly wants a cracker", context=8)) as backend:
        pieces, result = await written(backend, text("???"))

    assert ("".join(pieces), result.output) == ("lly w", {"finishReason": FinishReason.LENGTH})


async def test_a_prompt_that_was_not_checked_and_leaves_no_room_fails(tmp_path: Path) -> None:
    async with opened(parrot(tmp_path, "Polly", context=8)) as backend:
        with pytest.raises(ModelError, match="8 tokens and leaves no room") as caught:
            await written(backend, text("????????"))

    assert not caught.value.retryable


async def test_a_stop_text_ends_the_text_unseen(tmp_path: Path) -> None:
    async with opened(parrot(tmp_path, "Yes.\nUSER: more")) as backend:
        pieces, result = await written(backend, text("?", stop=["\nUSER:", "none"]))

    assert pieces == ["Y", "e", "s", "."]
    assert result.output == {"finishReason": FinishReason.STOP}
    assert result.usage.output_tokens == 10


async def test_what_looked_like_a_stop_text_comes_at_the_end(tmp_path: Path) -> None:
    async with opened(parrot(tmp_path, "Yes.\nUS")) as backend:
        pieces, _ = await written(backend, text("?", stop=["\nUSER:"]))

    assert pieces == ["Y", "e", "s", ".", "\nUS"]


async def test_a_special_token_in_a_prompt_is_read_as_text(tmp_path: Path) -> None:
    async with opened(parrot(tmp_path, "Polly")) as backend:
        _, result = await written(backend, text("<|end|>", maxTokens=1))

    assert result.usage.input_tokens == len("<|end|>")


@pytest.mark.parametrize("temperature", [0.0, 0.8, 1.5])
async def test_the_storyteller_writes_what_its_reference_writes(temperature: float) -> None:
    reference = open_model()
    prompt = "It was a fine morning"
    ids = list(generate(reference, prompt, 60, Sampling(temperature, 0.9, seed=7)))

    async with opened(embedded_spec("storyteller")) as backend:
        pieces, result = await written(
            backend, text(prompt, temperature=temperature, topP=0.9, seed=7, maxTokens=60)
        )

    assert "".join(pieces) == reference.tokenizer.decode(ids)
    assert result.usage.output_tokens == len(ids)


async def test_the_same_seed_gives_the_same_text_alone_and_among_others() -> None:
    async with opened(embedded_spec("storyteller"), threads=2) as backend:
        alone = [await text_of(backend, text("Her sister", seed=seed, maxTokens=40)) for seed in range(4)]
        asked = [text("Her sister", seed=seed % 4, maxTokens=40) for seed in range(2 * TEXTS_AT_ONCE)]
        together = await asyncio.gather(*(text_of(backend, data) for data in asked))

    assert len(set(alone)) == 4
    assert together == [alone[turn % 4] for turn in range(2 * TEXTS_AT_ONCE)]


async def test_without_a_seed_each_text_is_another() -> None:
    async with opened(embedded_spec("storyteller")) as backend:
        texts = {await text_of(backend, text("Her sister", maxTokens=40)) for _ in range(3)}

    assert len(texts) == 3


async def test_a_conversation_is_read_as_one_text(tmp_path: Path) -> None:
    messages = [{"role": "SYSTEM", "content": "Be"}, {"role": "USER", "content": "Hi"}]
    data = PredictionData("text", {"messages": messages, "parameters": {"maxTokens": 1}})

    async with opened(parrot(tmp_path, "Polly wants")) as backend:
        _, result = await written(backend, data)

    assert result.usage.input_tokens == len("Be\n\nHi")


async def test_the_model_runs_only_in_threads(tmp_path: Path, threads: list[str]) -> None:
    async with opened(parrot(tmp_path, LONG)) as backend:
        await written(backend, text("?"))

    assert len(threads) == 1 + len(LONG) + 1
    assert all(name.startswith("inference") for name in threads)


async def test_a_text_whose_reader_leaves_is_written_no_further(tmp_path: Path, threads: list[str]) -> None:
    async with opened(parrot(tmp_path, LONG)) as backend:
        events = backend.predict(text("?"))
        await anext(events)
        await events.aclose()  # type: ignore[attr-defined]
        called = len(threads)
        await asyncio.sleep(0.1)

        assert len(threads) == called < len(LONG)


async def test_a_text_that_is_cancelled_is_written_no_further(tmp_path: Path, threads: list[str]) -> None:
    async with opened(embedded_spec("storyteller")) as backend:
        begun = asyncio.Event()

        async def follow() -> None:
            async with aclosing(backend.predict(text("Her sister", maxTokens=480))) as events:  # type: ignore[type-var]
                async for _ in events:
                    begun.set()

        task = asyncio.create_task(follow())
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0.05)
        called = len(threads)
        await asyncio.sleep(0.1)

        assert task.cancelled()
        assert len(threads) == called < 480


async def test_a_reader_that_pauses_pauses_its_text(tmp_path: Path, threads: list[str]) -> None:
    async with opened(embedded_spec("storyteller")) as backend:
        events = backend.predict(text("Her sister", maxTokens=480))
        await anext(events)
        await asyncio.sleep(0.1)
        paused_at = len(threads)
        await asyncio.sleep(0.1)

        assert len(threads) == paused_at < 20
        await events.aclose()  # type: ignore[attr-defined]


async def test_a_short_text_does_not_wait_for_a_long_one() -> None:
    async with opened(embedded_spec("storyteller")) as backend:
        long = asyncio.create_task(text_of(backend, text("Her sister", temperature=0, maxTokens=480)))
        await asyncio.sleep(0.05)
        await text_of(backend, text("Her sister", maxTokens=5))

        assert not long.done()
        assert await long


async def test_more_texts_than_can_be_written_at_once_wait_for_their_turn(tmp_path: Path) -> None:
    async with opened(parrot(tmp_path, "Polly")) as backend:
        texts = await asyncio.gather(*(text_of(backend, text("?")) for _ in range(3 * TEXTS_AT_ONCE)))

    assert texts == ["Polly"] * (3 * TEXTS_AT_ONCE)


async def test_readers_that_leave_give_their_places_to_those_who_wait(tmp_path: Path) -> None:
    async with opened(parrot(tmp_path, "Polly")) as backend:
        readers = [backend.predict(text("?")) for _ in range(TEXTS_AT_ONCE)]
        for events in readers:
            await anext(events)
        waiting = asyncio.create_task(text_of(backend, text("?")))
        await asyncio.sleep(0.05)
        assert not waiting.done()

        await readers[0].aclose()  # type: ignore[attr-defined]

        assert await asyncio.wait_for(waiting, 5) == "Polly"
        for events in readers[1:]:
            await events.aclose()  # type: ignore[attr-defined]


async def test_other_models_get_their_turn_in_a_thread_that_writes_texts() -> None:
    with ThreadPoolExecutor(1) as executor:
        storyteller = GenerationBackend(embedded_spec("storyteller"), executor)
        classifier = onnx_backend(embedded_spec("breast-cancer"), executor)
        await storyteller.load()
        await classifier.load()
        writing = [
            asyncio.create_task(text_of(storyteller, text("Her sister", temperature=0, maxTokens=480)))
            for _ in range(4)
        ]
        await asyncio.sleep(0.05)
        async for _ in classifier.predict(tabular(examples("breast-cancer")[0]["record"])):
            pass

        assert not any(task.done() for task in writing)
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)


async def test_a_text_that_was_cut_is_counted_with_the_models_tokenizer() -> None:
    data = text("It was a fine morning", seed=3, maxTokens=30)

    async with opened(embedded_spec("storyteller")) as backend:
        pieces, result = await written(backend, data)
        usage = backend.usage_of(data, "".join(pieces))

    assert usage is not None
    assert (usage.source, usage.input_tokens) == (UsageSource.COUNTED, result.usage.input_tokens)
    # A text has shorter spellings than the one that was drawn.
    assert usage.output_tokens == pytest.approx(result.usage.output_tokens, abs=3)


@pytest.mark.parametrize("name", ["path", "tokenizer", "config"])
async def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    spec = parrot(tmp_path, "Polly")
    spec.config[name] += ".gone"

    with pytest.raises(ModelError, match=r"The (model|tokenizer|config) file can not be read: No such file"):
        async with opened(spec):
            pass


@pytest.mark.parametrize("name", ["tokenizer", "config"])
async def test_a_version_without_one_of_its_files_is_refused(tmp_path: Path, name: str) -> None:
    spec = parrot(tmp_path, "Polly")
    spec.config.pop(name)

    with pytest.raises(ModelError, match=f"needs a `{name}` file"):
        async with opened(spec):
            pass


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("path", "no graph", "ONNX Runtime can not load"),
        ("tokenizer", "{}", "tokenizer file is broken"),
        ("config", "{", "config file is wrong"),
        ("config", '{"context_length": 8}', "config file is wrong: vocab_size"),
    ],
)
async def test_a_broken_file_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    spec = parrot(tmp_path, "Polly")
    write(spec, name, content)

    with pytest.raises(ModelError, match=message):
        async with opened(spec):
            pass


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ('"vocab_size": 256', "tells 257 tokens apart, its config 256"),
        ('"head_dim": 2', "could not run the model"),
        ('"inputs": {"tokens": "input_ids"}', "could not run the model"),
    ],
)
async def test_files_that_do_not_fit_each_other_are_found_out(
    tmp_path: Path, said: str, message: str
) -> None:
    spec = parrot(tmp_path, "Polly")
    write(spec, "config", read(spec, "config").rstrip("}") + f", {said}}}")

    with pytest.raises(ModelError, match=message):
        async with opened(spec):
            pass


async def test_an_onnx_file_does_not_serve_embeddings(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="EMBEDDING"):
        async with opened(replace(parrot(tmp_path, "Polly"), task=ModelTask.EMBEDDING)):
            pass
