import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backends.failures import UnreadableError
from engine.backends.openai.config import Timeouts
from engine.backends.openai.errors import Translator
from engine.backends.openai.reply import Reply
from engine.errors import ProcessingError
from engine.values import FinishReason

ODD = st.sampled_from(["\0", "\ud83d", "\ude00", "a"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(ODD, max_size=3)
NAMES = st.sampled_from(
    [
        "choices",
        "delta",
        "content",
        "text",
        "refusal",
        "finish_reason",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "prompt_tokens_details",
        "cached_tokens",
        "logprobs",
        "token_logprobs",
        "logprob",
    ]
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
CHUNKS = st.lists(st.dictionaries(NAMES, JSON, max_size=4) | JSON, max_size=6)


class Sent:
    """A stream of events that have been sent already."""

    def __init__(self, events: list[Any]) -> None:
        self._events = list(events)

    def __bool__(self) -> bool:
        return bool(self._events)

    def pop(self) -> Any:
        return self._events.pop(0)

    async def more(self) -> bool:
        return bool(self._events)

    async def aclose(self) -> None:
        """Has nothing to close."""


async def read(events: list[Any]) -> tuple[str, Reply]:
    """Returns the text of an answer and the reply, once it was read to its end."""
    reply = reply_of(events)
    await reply.begin()
    text = ""
    while (piece := await reply.next()) is not None:
        assert piece
        text += piece
    return text, reply


def reply_of(events: list[Any], *, singly: bool = False) -> Reply:
    deadline = asyncio.get_running_loop().time() + 10
    return Reply(Sent(events), Timeouts(), deadline, Translator(None), singly=singly)


def said(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}


@settings(deadline=None)
@given(CHUNKS)
def test_any_events_are_an_answer_or_a_failure_and_nothing_else(events: list[Any]) -> None:
    try:
        text, reply = asyncio.run(read(events))
    except ProcessingError:
        return

    assert isinstance(reply.finish_reason, FinishReason)
    assert "\0" not in text
    assert text.encode().decode() == text
    assert (
        reply.usage is None or (reply.usage.input_tokens or 0) >= (reply.usage.cached_input_tokens or 0) >= 0
    )


async def test_the_last_piece_may_come_with_the_reason() -> None:
    text, reply = await read([said("Once"), said(" upon", "length")])

    assert (text, reply.finish_reason) == ("Once upon", FinishReason.LENGTH)


async def test_the_only_piece_may_come_with_the_reason() -> None:
    text, reply = await read([said("Once", "stop")])

    assert (text, reply.finish_reason) == ("Once", FinishReason.STOP)


async def test_text_after_the_reason_is_not_read() -> None:
    text, _ = await read([said("Once", "stop"), said(" more")])

    assert text == "Once"


async def test_usage_that_grows_counts_as_it_was_last() -> None:
    def told(count: int) -> dict[str, Any]:
        return {"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": count}}

    _, reply = await read([said("Once"), told(1), said(" upon", "stop"), told(2)])

    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (2, 2)


async def test_more_of_the_prompt_can_not_be_cached_than_there_was() -> None:
    usage = {"prompt_tokens": 2, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}}

    _, reply = await read([said("Once", "stop"), {"choices": [], "usage": usage}])

    assert reply.usage is not None
    assert reply.usage.cached_input_tokens == 2


async def test_a_character_whose_halves_come_apart_comes_whole() -> None:
    text, _ = await read([said("a\ud83d"), said("\ude00b"), said("", "stop")])

    assert text == "a😀b"


async def test_half_a_character_and_nul_are_replaced_for_no_database_takes_them() -> None:
    text, _ = await read([said("a\ude00b\0"), said("c\ud83d", "stop")])

    assert text == "a\ufffdb\ufffdc"


async def test_what_has_come_is_one_piece_unless_each_is_told_by_itself() -> None:
    events = [said("Hel"), said("l"), said("o", "stop")]
    together, singly = reply_of(events), reply_of(events, singly=True)

    assert [await together.next(), await together.next()] == ["Hello", None]
    assert [await singly.next() for _ in range(4)] == ["Hel", "l", "o", None]


async def test_what_came_before_a_failure_comes_first() -> None:
    reply = reply_of([said("Hel"), said("lo"), "no chunk"])

    assert await reply.next() == "Hello"
    for _ in range(2):
        with pytest.raises(UnreadableError):
            await reply.next()
