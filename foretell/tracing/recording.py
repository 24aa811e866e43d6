"""Recording spans for as long as a process runs, where the settings name a collector."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from db.types import new_id
from engine import tracing
from foretell import __version__
from foretell.errors import OperatorError
from foretell.settings import Settings

SEND_SECONDS = 2.0
"""How long it may take to send a batch, with repetitions; a process that ends waits for the last one."""
PATH = "/v1/traces"


class TracingError(OperatorError):
    """Traces can not be recorded."""


@asynccontextmanager
async def recording(settings: Settings) -> AsyncIterator[None]:
    """Sends spans to the collector of the settings by OTLP over HTTP, in batches from a thread of its own.

    A collector that is away costs spans and nothing else. `OTEL_EXPORTER_OTLP_HEADERS` is heeded.

    Raises:
        TracingError: the extra is not installed.
    """
    endpoint = settings.traces.endpoint
    if endpoint is None:
        yield
        return
    try:
        # It takes 160 ms to import, and most who start Foretell have no collector.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415

        from foretell.tracing.otel import OtelTracer  # noqa: PLC0415
    except ImportError as error:
        raise TracingError(
            "FORETELL_TRACES_ENDPOINT needs the extra: pip install 'foretell[otel]'"
        ) from error
    resource: dict[str, str | int] = {
        "service.name": os.environ.get("OTEL_SERVICE_NAME", "foretell"),
        "service.version": __version__,
        "service.instance.id": new_id(),
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
    }
    provider = TracerProvider(
        resource=Resource.create({**resource}),
        sampler=ParentBasedTraceIdRatio(settings.traces.sample),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + PATH, timeout=SEND_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracing.use(OtelTracer(provider))
    try:
        yield
    finally:
        tracing.use(None)
        await asyncio.to_thread(provider.shutdown)
