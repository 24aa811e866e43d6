"""Tracing: spans around what takes time, for whoever records them; by default nobody does.

Spans hold names, ids, counts and codes: never a prompt, an output or a secret. Their attributes follow
https://opentelemetry.io/docs/specs/semconv/gen-ai/ where that has a name for a thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from typing import Protocol

Attribute = str | int | float | bool
Attributes = Mapping[str, Attribute]


class Kind(Enum):
    """What a span is to those before and after it."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    CLIENT = "CLIENT"
    CONSUMER = "CONSUMER"


class Span(Protocol):
    """Something that goes on."""

    def note(self, attributes: Attributes) -> None:
        """Adds what became known meanwhile."""

    def fail(self, code: str) -> None:
        """Says that it failed, and with which code."""


class Tracer(Protocol):
    """Records spans."""

    def span(
        self, name: str, kind: Kind, attributes: Attributes, parent: str | None
    ) -> AbstractContextManager[Span]:
        """Opens a span within the current one, or that of a `traceparent`, and makes it the current one."""

    def aside(self, name: str, attributes: Attributes) -> AbstractContextManager[Span]:
        """The same without making it the current one: for generators, whose steps run in many tasks."""

    def traceparent(self) -> str | None:
        """Returns the current span as a W3C `traceparent`; None outside of any."""


class _Nothing:
    def note(self, attributes: Attributes) -> None:
        """Forgets it."""

    def fail(self, code: str) -> None:
        """Forgets it."""


NOTHING: AbstractContextManager[Span] = nullcontext(_Nothing())
"""The span of what nobody records."""
_tracer: Tracer | None = None


def use(tracer: Tracer | None) -> None:
    """Makes a tracer record what this process does from now on; None: nobody does."""
    global _tracer
    _tracer = tracer


def is_recording() -> bool:
    """Tells whether somebody records spans, so that it is worth finding out what they hold."""
    return _tracer is not None


def span(
    name: str, kind: Kind, attributes: Attributes, parent: str | None = None
) -> AbstractContextManager[Span]:
    """Opens a span: see `Tracer`. An error that leaves the context fails it, by its class's name."""
    return NOTHING if _tracer is None else _tracer.span(name, kind, attributes, parent)


def aside(name: str, attributes: Attributes) -> AbstractContextManager[Span]:
    """Opens a span beside the current one: see `Tracer`."""
    return NOTHING if _tracer is None else _tracer.aside(name, attributes)


def traceparent() -> str | None:
    """Returns the current span as a W3C `traceparent`, to be stored or sent on; None outside of any."""
    return None if _tracer is None else _tracer.traceparent()


def headers() -> dict[str, str]:
    """Returns the headers by which another server goes on with the trace."""
    current = traceparent()
    return {} if current is None else {"traceparent": current}
