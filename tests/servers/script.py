"""Script: how the small model server in `openai_compatible.py` is to behave in one call.

The name of the model says it, as a query: `story?tokens=50&delay=0.02&cut=3`. So a test tells the server
by what it registers, from this process or another, and calls with other scripts do not touch each other.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qsl, urlencode

WORDS = ("Once", " upon", " a", " time", ",", " a", " café", " 😀", " opened", ".")


@dataclass(frozen=True, slots=True)
class Script:
    """What the server does; the rest it does as it should. Times are in seconds.

    Attributes:
        tokens: how many tokens it writes, unless fewer are asked for; they come from `WORDS`, over and over.
        accept_delay, first_delay, delay: waits before the headers, the first token, and each later one.
        fail: answers so many calls of this model name with `status`; -1 is all of them.
        status, message, code, retry_after: what such an answer has.
        raw: the body of such an answer, instead of the JSON of an error.
        cut: breaks the connection off after so many tokens.
        half: and in the middle of the next character of several bytes.
        clean: but ends the response as HTTP wants it.
        garbage: sends an event after so many tokens that should not be there.
        event, repeat: what that event is, and how many times over.
        stall: sends nothing more after so many tokens, and keeps the connection.
        finish: the finish reason; an empty one is never sent.
        usage, cached: whether it tells the usage when asked to, and how much of the prompt was cached.
        done: whether it sends [DONE].
        vectors: the length of embeddings; 0 sends none.
        floats: sends embeddings as lists, whatever was asked for.
        redirect: where it redirects to.
    """

    tokens: int = 5
    accept_delay: float = 0.0
    first_delay: float = 0.0
    delay: float = 0.0
    fail: int = 0
    status: int = 200
    message: str = "It failed."
    code: str = ""
    retry_after: str = ""
    raw: str = ""
    cut: int = -1
    half: bool = False
    clean: bool = False
    garbage: int = -1
    event: str = "{not json"
    repeat: int = 1
    stall: int = -1
    finish: str = "stop"
    usage: bool = True
    cached: int = 0
    done: bool = True
    vectors: int = 3
    floats: bool = False
    redirect: str = ""

    @classmethod
    def of(cls, model: str) -> Script:
        """Returns the script in a model's name; names that it does not know are refused."""
        _, _, query = model.partition("?")
        usual = {field.name: field.default for field in fields(cls)}
        told = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        values: dict[str, Any] = {name: _read(value, usual[name]) for name, value in told}
        return cls(**values)

    def text(self, limit: int) -> list[str]:
        """Returns the tokens that it writes."""
        return [WORDS[index % len(WORDS)] for index in range(min(self.tokens, limit))]


def model(name: str = "story", **script: object) -> str:
    """Returns the name of a model that behaves by a script."""
    return f"{name}?{urlencode(script)}" if script else name


def _read(value: str, usual: object) -> object:
    if isinstance(usual, bool):
        return value in ("True", "true", "1")
    return type(usual)(value) if isinstance(usual, int | float) else value
