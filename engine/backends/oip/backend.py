"""OpenInferenceBackend: tabular and tensor tasks by a server that speaks the Open Inference Protocol v2."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from engine.backends.base import Event, Metadata, Result, VersionSpec
from engine.backends.failures import StalledError
from engine.backends.oip.columns import RecordTensors
from engine.backends.oip.config import OpenInferenceConfig, Protocol
from engine.backends.oip.http import HttpTransport
from engine.backends.oip.tensors import Tensor
from engine.backends.oip.transport import Described, Transport
from engine.backends.retries import RetryBudget, retried
from engine.backends.servers import read_key
from engine.backends.tensors import decode_tensor, encode_tensor
from engine.errors import ModelError
from engine.values import PredictionData, TensorDatatype, TensorSpec, Usage, UsageSource


@dataclass(slots=True)
class _Opened:
    config: OpenInferenceConfig
    transport: Transport
    inputs: tuple[TensorSpec, ...]
    records: RecordTensors | None


class OpenInferenceBackend:
    """Serves tabular tasks and TENSOR.

    Config: see `config.OpenInferenceConfig`; also `labels` (classifiers). Inputs, outputs and versions
    are asked of the server. An inference changes nothing, so what broke off may be asked again.
    """

    is_repeatable = True

    def __init__(self, spec: VersionSpec, executor: Executor) -> None:
        self._spec = spec
        self._opened: _Opened | None = None
        self._budget = RetryBudget()

    async def load(self) -> Metadata:
        """Asks whether the model is ready, and what it takes and gives.

        Raises:
            ModelError: the config is wrong, the server does not know the model, or the model does not fit
                the task; or the server is not there, which is retryable.
        """
        if self._spec.task.member not in ("tabular", "tensor"):
            raise ModelError(f"The Open Inference Protocol can not serve {self._spec.task}.")
        config = OpenInferenceConfig.of(self._spec.config)
        transport = transport_of(config, read_key(config.api_key_env))
        try:
            await transport.check()
            found = _with_config(await transport.describe(), config)
            records = self._records(config, found)
        except BaseException:
            await transport.close()
            raise
        self._opened = _Opened(config, transport, found.inputs, records)
        return Metadata(found.inputs, found.outputs)

    async def probe(self) -> None:
        """Asks whether the model is ready."""
        await self._ready.transport.check()

    async def predict(self, data: PredictionData) -> AsyncIterator[Event]:
        """Yields one result.

        Raises:
            ModelError: the server failed, refused the call, or gave what can not be used.
        """
        opened = self._ready
        started = time.perf_counter()
        if opened.records is not None:
            output, rows = await self._answer_records(opened, opened.records, data.value["records"])
        else:
            output, rows = await self._answer_tensors(opened, data.value["tensors"])
        elapsed_ms = (time.perf_counter() - started) * 1000
        yield Result(output, Usage(UsageSource.COUNTED, records=rows), elapsed_ms)

    def usage_of(self, data: PredictionData, text: str) -> None:
        """Returns nothing: there is no text to be cut."""

    async def close(self) -> None:
        """Closes every connection."""
        if self._opened is not None:
            await self._opened.transport.close()
            self._opened = None

    @property
    def _ready(self) -> _Opened:
        if self._opened is None:
            raise ModelError(f"{self._spec.name} is closed.", retryable=True)
        return self._opened

    def _records(self, config: OpenInferenceConfig, found: Described) -> RecordTensors | None:
        if not found.inputs:
            raise ModelError("The server tells no inputs of the model: give `inputs` in the backend.")
        if config.model_version and found.versions and config.model_version not in found.versions:
            raise ModelError(f"The server has no version {config.model_version!r} of the model.")
        return RecordTensors.of(self._spec, found.inputs) if self._spec.task.member == "tabular" else None

    async def _answer_records(
        self, opened: _Opened, tensors: RecordTensors, records: Sequence[dict[str, Any]]
    ) -> tuple[dict[str, Any], int]:
        if not records:
            return {"results": []}, 0
        scores = opened.config.scores
        answer = await self._infer(opened, tensors.encode(records), [scores] if scores else [])
        found = next((each for each in answer if scores in (None, each.name)), None)
        if found is None or found.datatype is TensorDatatype.BYTES:
            raise ModelError("The model server did not answer scores: `scores` names the output with them.")
        return {"results": tensors.codec.decode(found.array, len(records))}, len(records)

    async def _answer_tensors(
        self, opened: _Opened, given: Sequence[dict[str, Any]]
    ) -> tuple[dict[str, Any], int]:
        tensors = [
            Tensor(each["name"], TensorDatatype(each["datatype"]), decode_tensor(each)) for each in given
        ]
        answer = await self._infer(opened, tensors, [])
        output = {"tensors": [encode_tensor(each.name, each.array) for each in answer]}
        return output, _rows(opened.inputs, tensors)

    async def _infer(self, opened: _Opened, inputs: Sequence[Tensor], outputs: Sequence[str]) -> list[Tensor]:
        async def attempt() -> list[Tensor]:
            return await opened.transport.infer(inputs, outputs)

        try:
            async with asyncio.timeout(opened.config.timeouts.total):
                return await retried(self._budget, attempt)
        except TimeoutError as error:
            raise StalledError from error


def transport_of(config: OpenInferenceConfig, key: str | None) -> Transport:
    """Returns what asks a server in the way its config says.

    Raises:
        ModelError: it is to be asked over gRPC, which is not installed.
    """
    if config.protocol is Protocol.HTTP:
        return HttpTransport(config, key)
    try:
        from engine.backends.oip.grpc import GrpcTransport  # noqa: PLC0415  (needs the extra `grpc`)
    except ImportError as error:
        raise ModelError("gRPC is not installed: pip install 'foretell[grpc]'.") from error
    return GrpcTransport(config, key)


def _with_config(found: Described, config: OpenInferenceConfig) -> Described:
    """Returns what the server tells, completed by what the config says."""
    return Described(
        found.versions,
        found.inputs or tuple(each.spec() for each in config.inputs),
        found.outputs or tuple(each.spec() for each in config.outputs),
    )


def _rows(inputs: Sequence[TensorSpec], tensors: Sequence[Tensor]) -> int:
    """Counts the rows of a batch, where every input has a first dimension of any size; else it is one."""
    if all(each.shape and each.shape[0] == -1 for each in inputs):
        return max((len(each.array) for each in tensors if each.array.ndim), default=1)
    return 1
