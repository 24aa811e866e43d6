"""Which class serves which kind of backend."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

from engine.backends.base import Backend, VersionSpec
from engine.backends.generation import GenerationBackend
from engine.backends.oip.backend import OpenInferenceBackend
from engine.backends.onnx import OnnxBackend
from engine.values import BackendKind


def onnx_backend(spec: VersionSpec, executor: Executor) -> Backend:
    """Returns the backend for an ONNX file: one for text, which comes token by token, one for the rest."""
    if spec.task.member in ("tabular", "tensor"):
        return OnnxBackend(spec, executor)
    return GenerationBackend(spec, executor)


def openai_backend(spec: VersionSpec, executor: Executor) -> Backend:
    """Returns the backend for a server that speaks OpenAI's API."""
    # The official client takes a second to import: only those who serve by it wait for that.
    from engine.backends.openai.backend import OpenAIBackend  # noqa: PLC0415

    return OpenAIBackend(spec, executor)


def open_inference_backend(spec: VersionSpec, executor: Executor) -> Backend:
    """Returns the backend for a server that speaks the Open Inference Protocol."""
    return OpenInferenceBackend(spec, executor)


BACKENDS: dict[BackendKind, Callable[[VersionSpec, Executor], Backend]] = {
    BackendKind.ONNX: onnx_backend,
    BackendKind.OPENAI: openai_backend,
    BackendKind.OPEN_INFERENCE: open_inference_backend,
}
