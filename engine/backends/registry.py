"""Which class serves which kind of backend."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

from engine.backends.base import Backend, VersionSpec
from engine.backends.onnx import OnnxBackend
from engine.values import BackendKind

BACKENDS: dict[BackendKind, Callable[[VersionSpec, Executor], Backend]] = {
    BackendKind.ONNX: OnnxBackend,
}
