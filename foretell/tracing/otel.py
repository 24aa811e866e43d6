"""OtelTracer: the engine's spans as those of OpenTelemetry."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from engine.tracing import Attributes, Kind
from foretell import __version__

_carried = TraceContextTextMapPropagator()


class OtelSpan:
    """See `engine.tracing.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, attributes: Attributes) -> None:
        """See `Span`."""
        self._span.set_attributes(dict(attributes))

    def fail(self, code: str) -> None:
        """See `Span`."""
        self._span.set_attribute("error.type", code)
        self._span.set_status(Status(StatusCode.ERROR))


class OtelTracer:
    """See `engine.tracing.Tracer`. What an error says is not recorded: it may repeat its input."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("foretell", __version__)

    @contextmanager
    def span(self, name: str, kind: Kind, attributes: Attributes, parent: str | None) -> Iterator[OtelSpan]:
        """See `Tracer`."""
        span = self._begin(name, kind, attributes, parent)
        with (
            trace.use_span(span, record_exception=False, set_status_on_exception=False),
            _ending(span) as ours,
        ):
            yield ours

    @contextmanager
    def aside(self, name: str, attributes: Attributes) -> Iterator[OtelSpan]:
        """See `Tracer`."""
        with _ending(self._begin(name, Kind.INTERNAL, attributes, None)) as ours:
            yield ours

    def traceparent(self) -> str | None:
        """See `Tracer`."""
        carrier: dict[str, str] = {}
        _carried.inject(carrier)
        return carrier.get("traceparent")

    def _begin(self, name: str, kind: Kind, attributes: Attributes, parent: str | None) -> trace.Span:
        within: Context | None = None
        if parent is not None:
            within = _carried.extract({"traceparent": parent}, Context())
        return self._tracer.start_span(name, within, SpanKind[kind.value], dict(attributes))


@contextmanager
def _ending(span: trace.Span) -> Iterator[OtelSpan]:
    ours = OtelSpan(span)
    try:
        yield ours
    except (asyncio.CancelledError, GeneratorExit):
        ours.note({"foretell.canceled": True})
        raise
    except BaseException as error:
        ours.fail(str(getattr(error, "code", type(error).__name__)))
        raise
    finally:
        span.end()
