"""Reply: one streamed answer, read piece by piece, each within its time."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from openai import APIError

from engine.backends.base import CUT
from engine.backends.failures import UnreadableError
from engine.backends.openai.config import Timeouts
from engine.backends.openai.errors import Translator
from engine.errors import ModelError, ProcessingError
from engine.text import storable
from engine.values import FinishReason, Usage, UsageSource

# All of the text is there: the usage is worth a wait, but not the answer.
USAGE_SECONDS = 5.0
# No context is as long: a server that writes on for ever is not believed.
MAX_CHARACTERS = 16 * 1024 * 1024

# Servers tell -9999 of what is out of the question.
LEAST_LOGPROB = -10_000.0

FINISH_REASONS = {
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class Stream(Protocol):
    """The events of an answer: see `events.Events`."""

    def __bool__(self) -> bool:
        """Whether the next event is there already."""

    def pop(self) -> Any:
        """Returns what the next event holds."""

    async def more(self) -> bool:
        """Returns once the next event is there; False at the end."""

    async def aclose(self) -> None:
        """Closes the connection, if it has not been read to its end."""


class Reply:
    """The chunks of one answer to `/chat/completions` or `/completions`.

    Attributes:
        finish_reason: why the text ended; None while it has not.
        usage: what the server says it used; None while it has said nothing.
        logprob: that of the last piece, where pieces are told `singly` (else all that has come is one), it
            is a single token and the server tells it.
    """

    def __init__(
        self,
        stream: Stream,
        timeouts: Timeouts,
        deadline: float,
        translate: Translator,
        *,
        singly: bool = False,
    ) -> None:
        self._stream = stream
        self._timeouts = timeouts
        self._deadline = deadline
        self._translate = translate
        self._first: str | None = None
        self._singly = singly
        self._failure: ProcessingError | None = None
        self._half = ""
        self._was_half = False
        self._characters = 0
        self.finish_reason: FinishReason | None = None
        self.usage: Usage | None = None
        self.logprob: float | None = None

    async def begin(self) -> None:
        """Waits for the first text, or for the end of an answer without any, as long as it takes.

        Raises:
            ProcessingError: the answer broke off before.
        """
        self._first = await self._read()

    async def next(self) -> str | None:
        """Returns the text that comes next, or None at the end of an answer that is complete.

        Raises:
            StalledError: it did not come in time.
            ProcessingError: the answer broke off.
        """
        if self._first is not None:
            first, self._first = self._first, None
            return first
        piece = self._read_at_once()
        if piece is None and self.finish_reason is None:
            piece = await self._read_in_time()
        if piece is None:
            await self._read_usage()
        return piece

    @property
    def is_waiting(self) -> bool:
        """Whether there is more to come, and nothing of it has come yet."""
        return self.finish_reason is None and self._failure is None and not self._stream

    async def aclose(self) -> None:
        """Closes the connection, if the answer has not been read to its end."""
        await self._stream.aclose()

    def _read_at_once(self) -> str | None:
        """Returns the text that is there already: all of it, or a piece where each is told by itself."""
        if self._failure is not None:
            raise self._failure
        pieces: list[str] = []
        try:
            while self.finish_reason is None and self._stream:
                chunk = self._stream.pop()
                piece = None if self._half or self._singly else plain_text_in(chunk)
                if piece is None:
                    piece = self._take(chunk)
                self._characters += len(piece)
                if self._characters > MAX_CHARACTERS:
                    raise ModelError(f"The model server wrote more than {MAX_CHARACTERS} characters.")
                if piece:
                    pieces.append(piece)
                    if self._singly:
                        break
        except (APIError, ProcessingError) as error:
            self._failure = self._translate(error)
            if not pieces:
                raise self._failure from error
            # What came before it comes first.
        return "".join(pieces) or None

    async def _read(self) -> str | None:
        """Returns the next piece of text, or None once the finish reason has come."""
        while True:
            piece = self._read_at_once()
            if piece is not None or self.finish_reason is not None:
                return piece
            if not await self._more():
                raise ModelError(CUT, retryable=True)

    async def _read_in_time(self) -> str | None:
        loop = asyncio.get_running_loop()
        patience = min(loop.time() + self._timeouts.between_tokens, self._deadline)
        try:
            async with asyncio.timeout_at(patience):
                return await self._read()
        except TimeoutError as error:
            raise self._translate(error) from error

    async def _read_usage(self) -> None:
        """Reads what comes after the text. What goes wrong there takes nothing from the answer."""
        try:
            async with asyncio.timeout(min(USAGE_SECONDS, self._timeouts.between_tokens)):
                while await self._more():
                    self._take(self._stream.pop())
        except (TimeoutError, APIError, ProcessingError):
            return

    async def _more(self) -> bool:
        try:
            return await self._stream.more()
        except Exception as error:
            raise self._translate(error) from error

    def _take(self, chunk: Any) -> str:
        """Notes what a chunk tells, and returns the text in it."""
        if not isinstance(chunk, dict):
            raise UnreadableError
        if chunk.get("usage") is not None:
            self.usage = usage_in(chunk) or self.usage
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            if self.usage is None:
                raise UnreadableError
            return ""
        choice = choices[0] if choices and isinstance(choices[0], dict) else {}
        text = text_in(choice)
        if self._half or not text.isascii() or "\0" in text:
            text = self._whole_characters(text)
        if self._singly:
            self.logprob = None if self._was_half or self._half else logprob_in(choice)
            self._was_half = bool(self._half)
        reason = choice.get("finish_reason")
        if reason == "error":
            raise ModelError("The model server failed while it answered.", retryable=True)
        if isinstance(reason, str) and reason:
            self.finish_reason = FINISH_REASONS.get(reason, FinishReason.STOP)
        return text

    def _whole_characters(self, text: str) -> str:
        """Returns a text as it can be stored; half a character at its end waits for the other half."""
        text = self._half + text
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return storable(text[:-1] if self._half else text)


def plain_text_in(chunk: Any) -> str | None:
    """Returns the text of a chunk that holds nothing else, as nearly all do; None of any other.

    That takes half the time of looking at all that a chunk may tell.
    """
    try:
        choice = chunk["choices"][0]
        text = choice["delta"]["content"]
        is_plain = choice["finish_reason"] is None and chunk.get("usage") is None
        return text if is_plain and text and text.isascii() and "\0" not in text else None
    except (LookupError, TypeError, AttributeError):
        return None


def text_in(choice: dict[str, Any]) -> str:
    """Returns the text of one choice of either API; what a model says when it refuses is text too."""
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        delta = {}
    for text in (choice.get("text"), delta.get("content"), delta.get("refusal")):
        if isinstance(text, str) and text:
            return text
    return ""


def logprob_in(choice: dict[str, Any]) -> float | None:
    """Returns the log probability that one choice of either API tells, if it is that of a single token."""
    told = choice.get("logprobs")
    if not isinstance(told, dict):
        return None
    each = told.get("content") or told.get("token_logprobs")
    if not isinstance(each, list) or len(each) != 1:
        return None
    logprob = each[0].get("logprob") if isinstance(each[0], dict) else each[0]
    if not isinstance(logprob, int | float) or isinstance(logprob, bool):
        return None
    return float(logprob) if LEAST_LOGPROB <= logprob <= 0 else None


def usage_in(answer: dict[str, Any]) -> Usage | None:
    """Returns the usage that a chunk or an answer tells, or None if it tells none that makes sense."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    read, written = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens", 0))
    if read is None or written is None:
        return None
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    return Usage(
        UsageSource.PROVIDER,
        input_tokens=read,
        cached_input_tokens=None if cached is None else min(cached, read),
        output_tokens=written,
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None
