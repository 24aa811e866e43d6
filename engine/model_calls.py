"""Model calls, as traces show them: which model, of whom, and what it used."""

from __future__ import annotations

from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from engine import tracing
from engine.serving import Served
from engine.tracing import Attribute, Kind, Span
from engine.values import BackendKind, ModelTask, PredictionData, Usage

OPERATIONS = {ModelTask.TEXT_GENERATION: "generate_content", ModelTask.EMBEDDING: "embeddings"}


def model_call(
    served: Served, data: PredictionData | None = None, items: int = 1
) -> AbstractContextManager[Span]:
    """Opens the span of a call of a model; `items` is how many inputs go with it."""
    if not tracing.is_recording():
        return tracing.NOTHING
    spec, row = served.version.spec, served.version.row
    model, operation = str(spec.config.get("model", spec.name)), _operation(spec.task, data)
    attributes: dict[str, Attribute] = {
        "foretell.model": spec.name,
        "foretell.backend": row.backend,
        "foretell.items": items,
    }
    if spec.task in OPERATIONS:
        provider = "openai" if row.backend == BackendKind.OPENAI else "foretell"
        attributes |= {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
        }
    address = urlsplit(str(spec.config.get("baseUrl", "")))
    if address.hostname:
        attributes["server.address"] = address.hostname
        if address.port:
            attributes["server.port"] = address.port
    kind = Kind.CLIENT if address.hostname else Kind.INTERNAL
    return tracing.span(f"{operation} {model}", kind, attributes)


def note_usage(span: Span, usage: Usage | None, finish_reason: str | None = None) -> None:
    """Adds what a call used, and why it ended."""
    noted: dict[str, Attribute] = {}
    if usage is not None:
        if usage.input_tokens is not None:
            noted["gen_ai.usage.input_tokens"] = usage.input_tokens
        if usage.output_tokens is not None:
            noted["gen_ai.usage.output_tokens"] = usage.output_tokens
        if usage.records is not None:
            noted["foretell.records"] = usage.records
    if finish_reason is not None:
        noted["foretell.finish_reason"] = finish_reason
    span.note(noted)


def _operation(task: ModelTask, data: PredictionData | None) -> str:
    """Returns the name that the conventions have for what is asked; `predict` for what they do not know."""
    if task is ModelTask.TEXT_GENERATION and data is not None:
        return "chat" if data.value.get("messages") else "text_completion"
    return OPERATIONS.get(task, "predict")
