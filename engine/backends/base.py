"""Backend: what every place that computes predictions looks like to the engine.

A backend streams: a text model yields a `Token` for each piece of text, every model ends with one
`Result`. Whoever wants the whole answer drains the stream, so there is one code path for both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from db.tables import ModelVersionRow
from engine.errors import ModelError, ProcessingError
from engine.room import Room
from engine.values import ModelTask, PredictionData, TensorSpec, Usage


@dataclass(frozen=True, slots=True)
class VersionSpec:
    """What a backend is told of the version it serves."""

    id: str
    name: str
    task: ModelTask
    config: dict[str, Any]
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    input_schema: dict[str, Any] | None = None
    max_batch_size: int | None = None

    @classmethod
    def from_row(cls, row: ModelVersionRow, *, model_name: str, task: str) -> VersionSpec:
        """Returns the spec of a version's row; `name` becomes `model/version`, for messages."""
        return cls(
            id=row.id,
            name=f"{model_name}/{row.version}",
            task=ModelTask(task),
            config=row.config,
            inputs=tensor_specs(row.inputs),
            outputs=tensor_specs(row.outputs),
            input_schema=row.input_schema,
            max_batch_size=row.max_batch_size,
        )


def tensor_specs(rows: list[dict[str, Any]]) -> tuple[TensorSpec, ...]:
    """Returns the specs that a version's `inputs` or `outputs` column holds."""
    return tuple(TensorSpec(row["name"], row["datatype"], tuple(row["shape"])) for row in rows)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a backend found out about its model while it was loaded."""

    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    room: Room | None = None
    """How long a prompt may be; None where only the model's server knows."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of generated text, in order."""

    text: str
    logprob: float | None = None
    is_all: bool = field(default=False, compare=False)
    """Whether it is all that has come, and what comes next is kept, unread, until it is asked for."""


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a stream: the output's JSON (see `engine.values`) and what it took."""

    output: dict[str, Any]
    usage: Usage
    inference_ms: float | None = None


Event = Token | Result


class Backend(Protocol):
    """Serves one model version.

    `is_repeatable` tells whether a prediction that was cut short may simply be run again.
    """

    is_repeatable: bool

    async def load(self) -> Metadata:
        """Gets ready to predict.

        Raises:
            ModelError: the model can not be served; the message says why.
        """

    def predict(self, data: PredictionData) -> AsyncIterator[Event]:
        """Streams the prediction for an input that was checked before.

        Closing the iterator stops the work. Calls may run concurrently; one that fails does not
        touch its neighbours.

        Raises:
            ProcessingError: the prediction failed.
        """

    async def close(self) -> None:
        """Gives back what `load` took; running predictions have ended before."""

    def usage_of(self, data: PredictionData, text: str) -> Usage | None:
        """Returns what a generation used that was cut after `text`; None for a task without text."""


@runtime_checkable
class ManyBackend(Backend, Protocol):
    """A backend that is faster on many inputs at once; jobs give it a chunk of items together."""

    async def predict_many(self, inputs: Sequence[PredictionData]) -> list[Result | ProcessingError]:
        """Returns the end of each prediction, in order. One that fails does not touch its neighbours."""


@runtime_checkable
class ProbedBackend(Backend, Protocol):
    """A backend whose model is at a server that can be asked whether it is well, at no cost."""

    async def probe(self) -> None:
        """Returns if the server is well.

        Raises:
            ModelError: it is not, or can not be reached.
        """


async def drain(events: AsyncIterator[Event]) -> Result:
    """Reads a stream to its end.

    Raises:
        ModelError: the stream ended without a result.
        ProcessingError: the prediction failed.
    """
    async with aclosing(events) as stream:  # type: ignore[type-var]
        async for event in stream:
            if isinstance(event, Result):
                return event
    raise ModelError(CUT, retryable=True)


CUT = "The model's answer ended before it was complete."
