"""Transport: what asking a server looks like to the backend, over whichever protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.backends.oip.tensors import Tensor
from engine.values import TensorDatatype, TensorSpec

MAX_ANSWER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Described:
    """What a server tells of a model: its versions, inputs and outputs; empty where it tells nothing."""

    versions: tuple[str, ...] = ()
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()


class Transport(Protocol):
    """Asks one server about one model."""

    async def check(self) -> None:
        """Returns if the model is ready, at no cost.

        Raises:
            ModelError: it is not, which is retryable, or never will be.
        """

    async def describe(self) -> Described:
        """Returns what the server tells of the model.

        Raises:
            ModelError: it does not answer.
        """

    async def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> list[Tensor]:
        """Returns the model's outputs: the named ones, or all if none is named. Cancelled, it lets go.

        Raises:
            ProcessingError: there is no answer.
        """

    async def close(self) -> None:
        """Closes every connection."""


def specs(tensors: Sequence[tuple[str, str, Sequence[int]]]) -> tuple[TensorSpec, ...]:
    """Returns tensors that a server told; none if one of them is of a type that nobody can give.

    A dimension that is no whole number from 0 on is any size.
    """
    known = set(TensorDatatype)
    if any(datatype not in known for _, datatype, _ in tensors):
        return ()
    return tuple(
        TensorSpec(name, TensorDatatype(datatype), tuple(size if size >= 0 else -1 for size in shape))
        for name, datatype, shape in tensors
    )
