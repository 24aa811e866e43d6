"""Text: what generation and embedding models are asked, checked and read in one place.

The checks name every problem with its path below the input's member, as the GraphQL arguments have it:
`("prompt", "text")`, `("prompt", "messages", "0", "content")`, `("parameters", "temperature")`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.backends.base import VersionSpec
from engine.errors import InvalidInputError, PayloadTooLargeError
from engine.values import ChatRole

MAX_TEXT_BYTES = 256 * 1024
MAX_MESSAGES = 1024
MAX_TEXTS = 2048
MAX_TEMPERATURE = 2
MAX_STOPS = 4
MAX_STOP_LENGTH = 100
SEEDS = range(-(2**63), 2**63)

TOKEN_LIMIT = 4096  # of a version whose config has no `maxTokens`
USUAL_TOKENS = 1024  # of a request that asks for no number: an answer never costs more than was asked

PARAMETERS = ("maxTokens", "temperature", "topP", "stop", "seed")

Path = tuple[str | int, ...]
Problems = Iterator[InvalidInputError]


@dataclass(frozen=True, slots=True)
class TextRequest:
    """A checked text input. What is None was not given: each model has its own defaults."""

    prompt: str | None
    messages: tuple[tuple[ChatRole, str], ...]
    max_tokens: int
    temperature: float | None
    top_p: float | None
    stop: tuple[str, ...]
    seed: int | None

    @classmethod
    def of(cls, value: dict[str, Any], spec: VersionSpec) -> TextRequest:
        """Returns the request in a text input's JSON that `check_text` found nothing wrong with."""
        parameters = value.get("parameters") or {}
        asked = parameters.get("maxTokens")
        limit = token_limit(spec)
        return cls(
            prompt=value.get("prompt"),
            messages=tuple((ChatRole(each["role"]), each["content"]) for each in value.get("messages") or ()),
            max_tokens=min(USUAL_TOKENS, limit) if asked is None else asked,
            temperature=parameters.get("temperature"),
            top_p=parameters.get("topP"),
            stop=tuple(parameters.get("stop") or ()),
            seed=parameters.get("seed"),
        )

    @property
    def flat(self) -> str:
        """The prompt as one text; a conversation is its messages, parted by empty lines."""
        return self.prompt if self.prompt is not None else "\n\n".join(text for _, text in self.messages)


def token_limit(spec: VersionSpec) -> int:
    """Returns the most tokens that one generation of a version may be asked for."""
    return int(spec.config.get("maxTokens", TOKEN_LIMIT))


def check_text(value: dict[str, Any], spec: VersionSpec) -> list[InvalidInputError]:
    """Returns everything that is wrong with a text input's JSON (see `engine.values`)."""
    return [*_prompt(value), *_parameters(value.get("parameters"), token_limit(spec))]


def check_texts(value: Any) -> list[InvalidInputError]:
    """Returns everything that is wrong with the texts of an embedding input, by index."""
    if not isinstance(value, list) or not value:
        return [InvalidInputError("Give a list of at least one text.", path=(), constraint="minItems: 1")]
    if len(value) > MAX_TEXTS:
        return [_too_many(value, MAX_TEXTS, "texts", ())]
    return [problem for index, text in enumerate(value) for problem in _text(text, (index,))]


def storable(text: str) -> str:
    """Returns a generated text as every database takes it: NUL and halves of surrogate pairs are replaced.

    Two halves that stand together are the character that they mean.
    """
    if "\0" not in text and (text.isascii() or text.isprintable()):
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return joined.replace("\0", "\ufffd")


def _prompt(value: dict[str, Any]) -> Problems:
    messages = value.get("messages")
    if messages is None:
        yield from _text(value.get("prompt"), ("prompt", "text"))
        return
    path = ("prompt", "messages")
    if not isinstance(messages, list) or not messages:
        yield InvalidInputError("Give at least one message.", path=path, constraint="minItems: 1")
    elif len(messages) > MAX_MESSAGES:
        yield _too_many(messages, MAX_MESSAGES, "messages", path)
    else:
        for index, message in enumerate(messages):
            yield from _message(message, (*path, index))
        sizes = [_size(message) for message in messages]
        if max(sizes) <= MAX_TEXT_BYTES < sum(sizes):
            yield _too_large("The messages together take", sum(sizes), path)


def _message(message: Any, path: Path) -> Problems:
    if not isinstance(message, dict):
        yield InvalidInputError("A message has a role and a content.", path=path, constraint="object")
        return
    role = message.get("role")
    if role not in list(ChatRole):
        names = ", ".join(ChatRole)
        yield InvalidInputError(
            f"The role of a message is one of {names}.",
            path=(*path, "role"),
            constraint=f"enum: {names}",
            received=_short(role),
        )
    yield from _text(message.get("content"), (*path, "content"))


def _size(message: Any) -> int:
    content = message.get("content") if isinstance(message, dict) else None
    return len(content.encode(errors="replace")) if isinstance(content, str) else 0


def _text(text: Any, path: Path) -> Problems:
    """Yields what is wrong with a text: it is some, is Unicode without NUL, and takes at most 256 KiB."""
    if not isinstance(text, str) or not text:
        yield InvalidInputError(
            "Give a text that is not empty.", path=path, constraint="minLength: 1", received=_short(text)
        )
        return
    yield from _unicode(text, path)
    size = len(text.encode(errors="replace"))
    if size > MAX_TEXT_BYTES:
        yield _too_large("The text takes", size, path)


def _unicode(text: str, path: Path) -> Problems:
    """Yields what no database, tokenizer or server takes: NUL, and halves of surrogate pairs."""
    if "\0" in text:
        yield InvalidInputError("A text can not have NUL characters.", path=path, constraint="no NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        yield InvalidInputError("A text can not have lone surrogates.", path=path, constraint="Unicode")


def _parameters(parameters: Any, limit: int) -> Problems:
    if parameters is None:
        return
    if not isinstance(parameters, dict):
        yield InvalidInputError("The parameters are an object.", path=("parameters",), constraint="object")
        return
    for name, value in parameters.items():
        path = ("parameters", name)
        if name not in PARAMETERS:
            yield InvalidInputError(f"There is no parameter `{name}`.", path=path, constraint="unknown")
        elif value is None:
            continue
        elif name == "stop":
            yield from _stops(value, path)
        elif not _fits(name, value, limit):
            allowed = _RANGES[name].format(limit=limit)
            yield InvalidInputError(
                f"`{name}` is {allowed}.", path=path, constraint=allowed, received=_short(value)
            )


_RANGES = {
    "maxTokens": "an integer from 1 to {limit}",
    "temperature": f"a number from 0 to {MAX_TEMPERATURE}",
    "topP": "a number above 0, at most 1",
    "seed": "an integer of 64 bits",
}


def _fits(name: str, value: Any, limit: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if name == "temperature":
        return 0 <= value <= MAX_TEMPERATURE
    if name == "topP":
        return 0 < value <= 1
    return isinstance(value, int) and value in (range(1, limit + 1) if name == "maxTokens" else SEEDS)


def _stops(stops: Any, path: Path) -> Problems:
    if not isinstance(stops, list):
        yield InvalidInputError("The stop texts are a list.", path=path, constraint="array")
        return
    if len(stops) > MAX_STOPS:
        yield _too_many(stops, MAX_STOPS, "stop texts", path)
    for index, stop in enumerate(stops[:MAX_STOPS]):
        if not isinstance(stop, str) or not 1 <= len(stop) <= MAX_STOP_LENGTH:
            yield InvalidInputError(
                f"A stop text has 1 to {MAX_STOP_LENGTH} characters.",
                path=(*path, index),
                constraint=f"minLength: 1, maxLength: {MAX_STOP_LENGTH}",
                received=_short(stop),
            )
        else:
            yield from _unicode(stop, (*path, index))


def _too_many(items: list[Any], limit: int, what: str, path: Path) -> InvalidInputError:
    message = f"{len(items)} {what} are more than the {limit} of one prediction."
    return InvalidInputError(message, path=path, constraint=f"maxItems: {limit}", received=len(items))


def _too_large(what: str, size: int, path: Path) -> InvalidInputError:
    message = f"{what} {size} bytes, more than the {MAX_TEXT_BYTES} of one prediction."
    return PayloadTooLargeError(message, path=path, constraint=f"maxBytes: {MAX_TEXT_BYTES}", received=size)


def _short(value: Any) -> Any:
    """Returns a value as an error may carry it: never a prompt, no containers."""
    return value if isinstance(value, int | float) else value[:20] if isinstance(value, str) else None
