"""Tensors as the protocol's bytes: row-major, little-endian; BYTES with four bytes of length before each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from engine.backends.failures import UnreadableError
from engine.backends.tensors import DTYPES, Array
from engine.values import TensorDatatype

LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Tensor:
    """An array with its name and the type that it has for the server."""

    name: str
    datatype: TensorDatatype
    array: Array


def to_bytes(tensor: Tensor) -> bytes:
    """Returns a tensor's values as the protocol's bytes."""
    if tensor.datatype is TensorDatatype.BYTES:
        texts = [_encoded(value) for value in tensor.array.ravel().tolist()]
        return b"".join(len(text).to_bytes(LENGTH_BYTES, "little") + text for text in texts)
    return tensor.array.astype(DTYPES[tensor.datatype], copy=False).tobytes()


def from_bytes(name: str, datatype: str, shape: Sequence[int], data: bytes) -> Tensor:
    """Returns the tensor of some bytes.

    Raises:
        UnreadableError: they are not as many as the shape takes, or the type is not one of the protocol.
    """
    try:
        kind = TensorDatatype(datatype)
        if kind is TensorDatatype.BYTES:
            values = np.array([*_texts(data), None], dtype=object)[:-1]  # None: NumPy must not look inside
        else:
            values = np.frombuffer(data, dtype=DTYPES[kind])
        if min(shape, default=0) < 0 or values.size != prod(shape):
            raise UnreadableError
        return Tensor(name, kind, values.reshape(tuple(shape)))
    except ValueError as error:
        raise UnreadableError from error


def _texts(data: bytes) -> Iterator[str]:
    at = 0
    while at < len(data):
        end = at + LENGTH_BYTES + int.from_bytes(data[at : at + LENGTH_BYTES], "little")
        if end > len(data):
            raise UnreadableError
        yield data[at + LENGTH_BYTES : end].decode("utf-8", "replace")
        at = end


def _encoded(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
