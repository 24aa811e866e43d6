"""What an ONNX file refers to: nothing beyond itself, and no operator that ONNX Runtime does not bring."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError, Message

from engine.backends.onnx_check import onnx_parts_pb2 as parts
from engine.errors import ModelError

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
# Loads a compiled model, from wherever the file says.
REACHING_OUT = frozenset({"EPContext"})


def check_parts(content: bytes) -> None:
    """Returns if a file stands for itself.

    Raises:
        ModelError: it is no ONNX model, keeps data in other files, or needs operators of its own.
    """
    try:
        model = parts.Model.FromString(content)
    except DecodeError as error:
        raise ModelError("The file is not an ONNX model.") from error
    if not model.graph.nodes:
        raise ModelError("The file is not an ONNX model: it has no graph.")
    domains = DOMAINS | {function.domain for function in model.functions}
    for part in _within(model):
        if isinstance(part, parts.Tensor) and (part.data_location or part.external_data):
            raise ModelError("The model keeps data in other files: save it as one file.")
        if isinstance(part, parts.Node):
            if part.domain not in domains:
                raise ModelError(f"The model needs operators of the domain {part.domain!r}.")
            if part.op_type in REACHING_OUT:
                raise ModelError(f"The model has the operator {part.op_type}, which is not allowed.")


def _within(message: Message) -> Iterator[Message]:
    """Yields a message and all that it holds."""
    waiting = [message]
    while waiting:
        each = waiting.pop()
        yield each
        for field, value in each.ListFields():
            if field.message_type is not None:
                waiting += [value] if isinstance(value, Message) else list(value)
