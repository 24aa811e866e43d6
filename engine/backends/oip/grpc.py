"""GrpcTransport: the protocol over gRPC, where a call that is cancelled is cancelled at the server too."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import grpc
import grpc.aio

from engine.backends.failures import StalledError, UnreadableError, after_colon
from engine.backends.oip.config import OpenInferenceConfig
from engine.backends.oip.protocol import open_inference_pb2 as messages
from engine.backends.oip.tensors import Tensor, from_bytes, to_bytes
from engine.backends.oip.transport import MAX_ANSWER_BYTES, Described, specs
from engine.backends.tensors import decode_tensor
from engine.errors import InvalidInputError, ModelError, ProcessingError, ThrottledError
from engine.values import TensorDatatype

CHECK_SECONDS = 10.0
SERVICE = "/inference.GRPCInferenceService"
PORTS = {"http": 80, "https": 443}
CONTENTS = {
    TensorDatatype.BOOL: "bool_contents",
    TensorDatatype.INT8: "int_contents",
    TensorDatatype.INT16: "int_contents",
    TensorDatatype.INT32: "int_contents",
    TensorDatatype.INT64: "int64_contents",
    TensorDatatype.UINT8: "uint_contents",
    TensorDatatype.UINT16: "uint_contents",
    TensorDatatype.UINT32: "uint_contents",
    TensorDatatype.UINT64: "uint64_contents",
    TensorDatatype.FP32: "fp32_contents",
    TensorDatatype.FP64: "fp64_contents",
    TensorDatatype.BYTES: "bytes_contents",
}
KEY_REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


class GrpcTransport:
    """Asks a server over gRPC. Every failure is one of our errors, and none of them shows the key."""

    def __init__(self, config: OpenInferenceConfig, key: str | None) -> None:
        self._config = config
        self._key = key
        self._metadata = (("authorization", f"Bearer {key}"),) if key else ()
        self._name = {"name": config.model, "version": config.model_version or ""}
        self._channel = _channel(config)
        self._turns = asyncio.Semaphore(config.max_connections)
        self._ready = self._method("ModelReady", messages.ModelReadyRequest, messages.ModelReadyResponse)
        self._tell = self._method(
            "ModelMetadata", messages.ModelMetadataRequest, messages.ModelMetadataResponse
        )
        self._infer = self._method("ModelInfer", messages.ModelInferRequest, messages.ModelInferResponse)

    async def check(self) -> None:
        """See `Transport`."""
        answer = await self._call(self._ready, messages.ModelReadyRequest(**self._name), CHECK_SECONDS)
        if not answer.ready:
            raise ModelError("The model server says that the model is not ready.", retryable=True)

    async def describe(self) -> Described:
        """See `Transport`."""
        told = await self._call(self._tell, messages.ModelMetadataRequest(**self._name), CHECK_SECONDS)
        return Described(tuple(told.versions), _specs(told.inputs), _specs(told.outputs))

    async def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> list[Tensor]:
        """See `Transport`."""
        request = messages.ModelInferRequest(
            model_name=self._config.model,
            model_version=self._config.model_version or "",
            inputs=[
                messages.ModelInferRequest.InferInputTensor(
                    name=tensor.name, datatype=tensor.datatype, shape=tensor.array.shape
                )
                for tensor in inputs
            ],
            outputs=[messages.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in outputs],
            raw_input_contents=[to_bytes(tensor) for tensor in inputs],
        )
        async with self._turns:
            answer = await self._call(self._infer, request, self._config.timeouts.total)
        return _outputs(answer)

    async def close(self) -> None:
        """See `Transport`."""
        await self._channel.close()

    def _method(self, name: str, request: Any, response: Any) -> Any:
        return self._channel.unary_unary(
            f"{SERVICE}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )

    async def _call(self, method: Any, request: Any, seconds: float) -> Any:
        try:
            return await method(request, timeout=seconds, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise self._translated(error) from error
        except grpc.aio.UsageError as error:
            raise ModelError("The connection to the model server is closed.", retryable=True) from error

    def _translated(self, error: grpc.aio.AioRpcError) -> ProcessingError:
        code = error.code()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return StalledError()
        if code in KEY_REFUSED:
            return ModelError(f"The model server does not accept the key ({code.name}).")
        if code is grpc.StatusCode.UNAVAILABLE:  # its details name addresses
            return ModelError("The model server can not be reached, or broke off.", retryable=True)
        message = f"The model server answered {code.name}{after_colon(error.details(), self._key)}."
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return ThrottledError(message)
        return ModelError(message, retryable=code is grpc.StatusCode.ABORTED)


def _channel(config: OpenInferenceConfig) -> grpc.aio.Channel:
    url = urlsplit(config.url)
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    target = f"dns:///{host}:{url.port or PORTS[url.scheme]}"
    options = [
        ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        ("grpc.max_send_message_length", MAX_ANSWER_BYTES),
        ("grpc.enable_http_proxy", 0),
        ("grpc.enable_retries", 0),  # what is tried again is for us to say
        ("grpc.max_reconnect_backoff_ms", 5000),
    ]
    if url.scheme == "https":
        return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options)
    return grpc.aio.insecure_channel(target, options)


def _specs(tensors: Any) -> Any:
    return specs([(each.name, each.datatype, list(each.shape)) for each in tensors])


def _outputs(answer: messages.ModelInferResponse) -> list[Tensor]:
    raw = answer.raw_output_contents
    if raw and len(raw) != len(answer.outputs):
        raise UnreadableError
    return [
        from_bytes(output.name, output.datatype, list(output.shape), raw[at]) if raw else _typed(output)
        for at, output in enumerate(answer.outputs)
    ]


def _typed(output: messages.ModelInferResponse.InferOutputTensor) -> Tensor:
    try:
        datatype = TensorDatatype(output.datatype)
        values = list(getattr(output.contents, CONTENTS[datatype]))
        if datatype is TensorDatatype.BYTES:
            values = [value.decode("utf-8", "replace") for value in values]
        told = {"datatype": datatype, "shape": list(output.shape), "data": values}
        return Tensor(output.name, datatype, decode_tensor(told))
    except (ValueError, KeyError, InvalidInputError) as error:
        raise UnreadableError from error
