"""OnnxBackend: ONNX files in this process, run by ONNX Runtime in threads, calls batched on the way."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from engine.backends.base import Event, Metadata, Result, VersionSpec
from engine.backends.tabular import TabularCodec
from engine.backends.tensors import Array, decode_tensor, encode_tensor
from engine.batching import MicroBatcher
from engine.errors import ModelError, ProcessingError
from engine.values import PredictionData, TensorDatatype, TensorSpec, Usage, UsageSource

ort.disable_telemetry_events()

DEFAULT_BATCH_SIZE = 64
DEFAULT_BATCH_DELAY_MS = 2.0
MANY_ROWS = 1024  # of a job's chunk in one call; nobody waits for one of them alone

ONNX_TYPES = {
    "tensor(bool)": TensorDatatype.BOOL,
    "tensor(int8)": TensorDatatype.INT8,
    "tensor(int16)": TensorDatatype.INT16,
    "tensor(int32)": TensorDatatype.INT32,
    "tensor(int64)": TensorDatatype.INT64,
    "tensor(uint8)": TensorDatatype.UINT8,
    "tensor(uint16)": TensorDatatype.UINT16,
    "tensor(uint32)": TensorDatatype.UINT32,
    "tensor(uint64)": TensorDatatype.UINT64,
    "tensor(float16)": TensorDatatype.FP16,
    "tensor(float)": TensorDatatype.FP32,
    "tensor(double)": TensorDatatype.FP64,
    "tensor(string)": TensorDatatype.BYTES,
}

# A file of a project may hold a loop without end; it is not to keep a thread for ever.
UPLOADED_RUN_SECONDS = 30.0

Feeds = dict[str, Array]


@dataclass(frozen=True, slots=True)
class _Answer:
    outputs: dict[str, Array]
    inference_ms: float


class OnnxBackend:
    """Serves tabular and tensor tasks from an ONNX file.

    Config: `path`, `sha256` (optional, checked), `labels` (classifiers), `maxBatchDelayMs`. Inputs
    and outputs are read from the file. Calls are batched where the first dimension of every input
    and output is free and is the same one: by its name, or nameless in all of them.
    """

    is_repeatable = True

    def __init__(self, spec: VersionSpec, executor: Executor) -> None:
        self._spec = spec
        self._executor = executor
        self._session: ort.InferenceSession | None = None
        self._codec: TabularCodec | None = None
        self._batcher = MicroBatcher(
            self._run_batch,
            max_size=spec.max_batch_size or DEFAULT_BATCH_SIZE,
            max_delay_seconds=spec.config.get("maxBatchDelayMs", DEFAULT_BATCH_DELAY_MS) / 1000,
        )
        self._batches = False
        self._most_seconds = UPLOADED_RUN_SECONDS if "key" in spec.config else None
        self._input_name = ""

    async def load(self) -> Metadata:
        """Opens the file and returns its inputs and outputs.

        Raises:
            ModelError: the file is missing, changed, broken, or does not fit the task.
        """
        loop = asyncio.get_running_loop()
        self._session = session = await loop.run_in_executor(self._executor, open_session, self._spec.config)
        inputs, outputs = tensor_specs_of(session)
        if self._spec.task.member == "tabular":
            self._codec = TabularCodec.of(self._spec)
            _check_tabular(inputs, self._codec)
        self._input_name = inputs[0].name if inputs else ""
        self._batches = _share_a_batch([*session.get_inputs(), *session.get_outputs()])
        return Metadata(inputs, outputs)

    async def predict(self, data: PredictionData) -> AsyncIterator[Event]:
        """Yields one result; `inference_ms` is the time of the batch that it was in.

        Raises:
            ModelError: ONNX Runtime refused the input.
        """
        if self._codec is not None:
            records = data.value["records"]
            if not records:
                yield Result({"results": []}, Usage(UsageSource.COUNTED, records=0), 0.0)
                return
            answer = await self._submit({self._input_name: self._codec.encode(records)})
            scores = next(iter(answer.outputs.values()))
            output: dict[str, Any] = {"results": self._codec.decode(scores, len(records))}
            yield Result(output, Usage(UsageSource.COUNTED, records=len(records)), answer.inference_ms)
        else:
            feeds = {tensor["name"]: decode_tensor(tensor) for tensor in data.value["tensors"]}
            answer = await self._submit(feeds)
            tensors = [encode_tensor(name, array) for name, array in answer.outputs.items()]
            usage = Usage(UsageSource.COUNTED, records=_rows(feeds) if self._batches else 1)
            yield Result({"tensors": tensors}, usage, answer.inference_ms)

    async def predict_many(self, inputs: Sequence[PredictionData]) -> list[Result | ProcessingError]:
        """Returns a result or an error for each input; all of them share calls of up to a batch's rows."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._run_many, inputs)

    def usage_of(self, data: PredictionData, text: str) -> None:
        """Returns nothing: there is no text to be cut."""

    async def close(self) -> None:
        """Lets go of the session and its memory."""
        self._session = None

    def _run_many(self, inputs: Sequence[PredictionData]) -> list[Result | ProcessingError]:
        """Runs inputs together; where that fails, half by half, down to the one whose fault it is."""
        try:
            if self._session is None:
                raise ModelError(f"{self._spec.name} is closed.", retryable=True)
            if self._codec is not None:
                return self._tabular_results(self._session, self._codec, inputs)
            return self._tensor_results(self._session, inputs)
        except ProcessingError as error:
            if len(inputs) == 1:
                return [error]
            middle = len(inputs) // 2
            return [*self._run_many(inputs[:middle]), *self._run_many(inputs[middle:])]

    def _tabular_results(
        self, session: ort.InferenceSession, codec: TabularCodec, inputs: Sequence[PredictionData]
    ) -> list[Result | ProcessingError]:
        matrix = codec.encode([record for data in inputs for record in data.value["records"]])
        results: list[dict[str, Any]] = []
        elapsed_ms = 0.0
        for start in range(0, len(matrix), self._many_rows):
            piece = matrix[start : start + self._many_rows]
            (answer,) = _run(session, [{self._input_name: piece}], self._most_seconds)
            results += codec.decode(next(iter(answer.outputs.values())), len(piece))
            elapsed_ms += answer.inference_ms
        found: list[Result | ProcessingError] = []
        at = 0
        for data in inputs:
            count = len(data.value["records"])
            found.append(Result({"results": results[at : at + count]}, _counted(count), elapsed_ms))
            at += count
        return found

    def _tensor_results(
        self, session: ort.InferenceSession, inputs: Sequence[PredictionData]
    ) -> list[Result | ProcessingError]:
        feeds = [
            {tensor["name"]: decode_tensor(tensor) for tensor in data.value["tensors"]} for data in inputs
        ]
        answers: list[_Answer] = []
        together = self._batches and all(len({*map(len, fed.values())}) == 1 for fed in feeds)
        for batch in _batches(feeds, self._many_rows if together else 0):
            answers += _run(session, batch, self._most_seconds)
        return [
            Result(
                {"tensors": [encode_tensor(name, array) for name, array in answer.outputs.items()]},
                Usage(UsageSource.COUNTED, records=_rows(fed) if self._batches else 1),
                answer.inference_ms,
            )
            for fed, answer in zip(feeds, answers, strict=True)
        ]

    @property
    def _many_rows(self) -> int:
        return self._spec.max_batch_size or MANY_ROWS

    async def _submit(self, feeds: Feeds) -> _Answer:
        if self._batches and len({len(array) for array in feeds.values()}) == 1:
            return await self._batcher.submit(feeds, _rows(feeds))
        return (await self._run_batch([feeds]))[0]

    async def _run_batch(self, batch: Sequence[Feeds]) -> Sequence[_Answer]:
        if self._session is None:
            raise ModelError(f"{self._spec.name} is closed.", retryable=True)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, _run, self._session, batch, self._most_seconds)


def open_session(config: dict[str, Any]) -> ort.InferenceSession:
    """Opens the file at a config's `path`, for one thread a call; its `sha256` is checked, if there is one.

    Raises:
        ModelError: the file is missing, changed or broken.
    """
    path = Path(config["path"])
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"The model file can not be read: {error.strerror}.") from error
    wanted = config.get("sha256")
    if wanted and hashlib.sha256(content).hexdigest() != wanted:
        raise ModelError("The model file is not the one that was registered: its sha256 differs.")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # threads serve requests; small models lose by splitting one
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"ONNX Runtime can not load the model file: {error}") from error


@lru_cache(maxsize=64)
def _counted(records: int) -> Usage:
    """Returns the usage of so many records; nearly all items of a job have the same."""
    return Usage(UsageSource.COUNTED, records=records)


def tensor_specs_of(session: ort.InferenceSession) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Returns a model's inputs and outputs.

    Raises:
        ModelError: one of them is of a type that can not be served.
    """
    return _specs(session.get_inputs()), _specs(session.get_outputs())


def _specs(arguments: Sequence[Any]) -> tuple[TensorSpec, ...]:
    def dimension(size: Any) -> int:
        return size if isinstance(size, int) else -1

    unknown = [argument.type for argument in arguments if argument.type not in ONNX_TYPES]
    if unknown:
        raise ModelError(f"The model has inputs or outputs of a kind that can not be served: {unknown[0]}.")
    return tuple(
        TensorSpec(argument.name, ONNX_TYPES[argument.type], tuple(map(dimension, argument.shape)))
        for argument in arguments
    )


def _check_tabular(inputs: tuple[TensorSpec, ...], codec: TabularCodec) -> None:
    width = len(codec.features)
    if len(inputs) != 1 or len(inputs[0].shape) != 2 or inputs[0].shape[1] not in (-1, width):
        raise ModelError(f"A tabular model takes one input [-1, {width}], a column for each property.")


def _share_a_batch(arguments: Sequence[Any]) -> bool:
    firsts = {argument.shape[0] if argument.shape else 0 for argument in arguments}
    return len(firsts) == 1 and not isinstance(firsts.pop(), int)


def _rows(feeds: Feeds) -> int:
    return max((int(array.shape[0]) if array.ndim else 1 for array in feeds.values()), default=1)


def _run(session: ort.InferenceSession, batch: Sequence[Feeds], most_seconds: float | None) -> list[_Answer]:
    """Runs a batch as one call: joins the feeds row by row, and cuts the outputs at the same places."""
    started = time.perf_counter()
    names = [output.name for output in session.get_outputs()]
    joined = batch[0] if len(batch) == 1 else _joined(batch)
    try:
        with _ended_after(most_seconds) as options:
            outputs = session.run(names, joined, options)
    except Exception as error:
        raise ModelError(f"ONNX Runtime refused the input: {error}") from error
    elapsed_ms = (time.perf_counter() - started) * 1000
    if len(batch) == 1:
        return [_Answer(dict(zip(names, outputs, strict=True)), elapsed_ms)]
    *cuts, total = np.cumsum([_rows(feeds) for feeds in batch])
    if any(len(output) != total for output in outputs):  # nobody may see a piece of another's answer
        raise ModelError("The model did not answer each row of a batch.")
    pieces = [np.split(output, cuts) for output in outputs]
    return [_Answer(dict(zip(names, piece, strict=True)), elapsed_ms) for piece in zip(*pieces, strict=True)]


@contextmanager
def _ended_after(seconds: float | None) -> Iterator[ort.RunOptions | None]:
    """Lends what ends a run between two of its operators when its time is over."""
    if seconds is None:
        yield None
        return
    options = ort.RunOptions()
    timer = threading.Timer(seconds, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()


def _batches(feeds: Sequence[Feeds], max_rows: int) -> Iterator[list[Feeds]]:
    """Yields feeds in groups of at most `max_rows` rows, or alone."""
    group: list[Feeds] = []
    rows = 0
    for fed in feeds:
        if group and rows + _rows(fed) > max_rows:
            yield group
            group, rows = [], 0
        group.append(fed)
        rows += _rows(fed)
    if group:
        yield group


def _joined(batch: Sequence[Feeds]) -> Feeds:
    try:
        return {name: np.concatenate([feeds[name] for feeds in batch]) for name in batch[0]}
    except ValueError as error:  # other inner shapes: the batcher runs each alone
        raise ModelError("The inputs of a batch have different shapes.") from error
