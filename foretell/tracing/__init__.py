"""Traces: what OpenTelemetry makes of the engine's spans, and what carries them in over HTTP."""

from foretell.tracing.recording import TracingError, recording
from foretell.tracing.requests import TracedRequests

__all__ = ["TracedRequests", "TracingError", "recording"]
