"""A small server that speaks the Open Inference Protocol, and goes wrong where it is told to."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from engine.backends.oip.json_tensors import HEADER, read_answer, request_body
from engine.backends.oip.protocol import open_inference_pb2 as messages
from engine.backends.oip.tensors import Tensor, from_bytes, to_bytes
from engine.values import TensorDatatype as T

SERVICE = "inference.GRPCInferenceService"
Compute = Callable[[dict[str, Tensor]], list[Tensor]]


class Refused(Exception):
    """The model can not take this input."""


@dataclass(frozen=True)
class ServedModel:
    """What a model takes, gives and does; `tells` says whether its metadata names its tensors."""

    compute: Compute
    inputs: Sequence[tuple[str, T, list[int]]]
    outputs: Sequence[tuple[str, T, list[int]]]
    versions: Sequence[str] = ("1",)
    tells: bool = True


def _doubled(given: dict[str, Tensor]) -> list[Tensor]:
    return [Tensor("twice", T.FP32, given["once"].array * 2)]


def _summed(given: dict[str, Tensor]) -> list[Tensor]:
    rows = given["rows"].array
    if (rows < 0).any():
        raise Refused("a number is negative, says key-of-the-server")
    return [Tensor("value", T.FP64, rows.sum(axis=1, keepdims=True))]


def _columns(given: dict[str, Tensor]) -> list[Tensor]:
    lengths = np.array([len(city) for city in given["city"].array.ravel()], np.float32)
    return [Tensor("value", T.FP32, given["age"].array.astype(np.float32) + lengths)]


def _classified(given: dict[str, Tensor]) -> list[Tensor]:
    chance = given["rows"].array[:, 0].astype(np.float32)
    label = Tensor("label", T.BYTES, np.array(["no" if each < 0.5 else "yes" for each in chance], object))
    return [label, Tensor("scores", T.FP32, np.stack([1 - chance, chance], axis=1))]


ROWS = [("rows", T.FP64, [-1, 2])]
MODELS = {
    "double": ServedModel(_doubled, [("once", T.FP32, [-1, 2])], [("twice", T.FP32, [-1, 2])]),
    "sum": ServedModel(_summed, ROWS, [("value", T.FP64, [-1, 1])], versions=("1", "2")),
    "silent": ServedModel(_summed, ROWS, [("value", T.FP64, [-1, 1])], tells=False),
    "columns": ServedModel(
        _columns, [("age", T.INT64, [-1]), ("city", T.BYTES, [-1, 1])], [("value", T.FP32, [-1])]
    ),
    "classes": ServedModel(
        _classified, [("rows", T.FP32, [-1, 1])], [("label", T.BYTES, [-1]), ("scores", T.FP32, [-1, 2])]
    ),
    "echo": ServedModel(
        lambda given: list(given.values()),
        [(kind.lower(), kind, [-1]) for kind in T],
        [(kind.lower(), kind, [-1]) for kind in T],
    ),
}


@dataclass
class Trouble:
    """What goes wrong: nothing, unless it is said.

    `fail` inferences are answered with `status`, or over gRPC with `code`; -1 is all of them. An
    inference waits `delay` seconds first; `cut` breaks it off, `garbage` answers what is no answer.
    """

    fail: int = 0
    status: int = 503
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    message: str = "no"
    retry_after: str | None = None
    delay: float = 0.0
    cut: bool = False
    garbage: bytes | None = None


@dataclass
class OpenInferenceServer:
    """The server; `url` is where it speaks HTTP, `grpc_url` where it speaks gRPC."""

    binary: bool = True
    key: str | None = None
    ready: bool = True
    trouble: Trouble = field(default_factory=Trouble)
    calls: int = 0
    binary_calls: int = 0
    checks: int = 0
    left: int = 0
    url: str = ""
    grpc_url: str = ""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, **wanted: int) -> None:
        """Waits until `calls`, `left` or `checks` have these values."""
        async with asyncio.timeout(10):
            while any(getattr(self, name) != value for name, value in wanted.items()):
                self._changed.clear()
                await self._changed.wait()

    def note(self, name: str) -> None:
        """Counts."""
        setattr(self, name, getattr(self, name) + 1)
        self._changed.set()

    def takes_failure(self) -> bool:
        """Returns whether this inference is to fail."""
        if self.trouble.fail:
            self.trouble.fail -= 1
            return True
        return False

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[OpenInferenceServer]:
        """Serves both on free ports of this machine."""
        loop = asyncio.get_running_loop()

        def note(name: str) -> None:
            loop.call_soon_threadsafe(self.note, name)

        rpc = grpc.server(ThreadPoolExecutor(24), [_grpc_handler(self, note)])
        self.grpc_url = f"http://127.0.0.1:{rpc.add_insecure_port('127.0.0.1:0')}"
        rpc.start()
        config = uvicorn.Config(_app(self), port=0, log_level="critical", lifespan="off")
        web = uvicorn.Server(config)
        task = asyncio.create_task(web.serve())
        while not web.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
        self.url = f"http://127.0.0.1:{web.servers[0].sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            web.should_exit = web.force_exit = True
            await task
            await asyncio.to_thread(rpc.stop(None).wait)


def _app(server: OpenInferenceServer) -> Starlette:
    def refusal(request: Request) -> Response | None:
        if server.key and request.headers.get("authorization") != f"Bearer {server.key}":
            return JSONResponse({"error": "who are you?"}, 401)
        if request.path_params.get("name", "sum") not in MODELS:
            return JSONResponse({"error": f"no model {request.path_params['name']}"}, 404)
        return None

    async def about(request: Request) -> Response:
        extensions = ["binary_tensor_data"] if server.binary else []
        return refusal(request) or JSONResponse({"name": "test", "version": "1", "extensions": extensions})

    async def describe(request: Request) -> Response:
        model = MODELS.get(request.path_params["name"], MODELS["sum"])
        told = {
            "name": request.path_params["name"],
            "versions": list(model.versions),
            "inputs": _told(model.inputs) if model.tells else None,
            "outputs": _told(model.outputs) if model.tells else None,
        }
        return refusal(request) or JSONResponse(told)

    async def ready(request: Request) -> Response:
        server.note("checks")
        return refusal(request) or Response(status_code=200 if server.ready else 503)

    async def infer(request: Request) -> Response:
        if (refused := refusal(request)) is not None:
            return refused
        server.note("calls")
        trouble, length = server.trouble, request.headers.get(HEADER)
        server.binary_calls += length is not None
        content = await request.body()
        if trouble.delay and await _left_within(request, trouble.delay):
            server.note("left")
            return Response()
        if server.takes_failure():
            headers = {"Retry-After": trouble.retry_after} if trouble.retry_after else {}
            return JSONResponse({"error": trouble.message}, trouble.status, headers)
        if trouble.garbage is not None:
            return Response(trouble.garbage, media_type="application/json")
        return _answered(MODELS[request.path_params["name"]], content, length, cut=trouble.cut)

    versioned = "/v2/models/{name}/versions/{version}"
    return Starlette(
        routes=[
            Route("/v2", about),
            *(
                Route(path + suffix, endpoint, methods=[method])
                for path in ("/v2/models/{name}", versioned)
                for suffix, endpoint, method in (
                    ("", describe, "GET"),
                    ("/ready", ready, "GET"),
                    ("/infer", infer, "POST"),
                )
            ),
        ]
    )


def _answered(model: ServedModel, content: bytes, length: str | None, *, cut: bool) -> Response:
    size = len(content) if length is None else int(length)
    asked = json.loads(content[:size])
    as_answer = json.dumps({"outputs": asked["inputs"]}).encode()  # both have the same form
    tensors = read_answer(as_answer + content[size:], None if length is None else len(as_answer))
    try:
        answer = model.compute({tensor.name: tensor for tensor in tensors})
    except Refused as error:
        return JSONResponse({"error": str(error)}, 500)
    wanted = [output["name"] for output in asked.get("outputs") or ()]
    chosen = [tensor for tensor in answer if not wanted or tensor.name in wanted]
    body, headers = request_body(chosen, [], binary=length is not None)
    size = int(headers.get(HEADER, len(body)))
    head = json.dumps({"outputs": json.loads(body[:size])["inputs"]}).encode()
    body, headers = head + body[size:], {} if length is None else {HEADER: str(len(head))}
    if cut:
        return StreamingResponse(_broken(body), headers={"Content-Length": str(len(body) + 9), **headers})
    return Response(body, headers=headers)


async def _broken(body: bytes) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    raise ConnectionError("cut")


async def _left_within(request: Request, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass
            return True
    return False


def _told(tensors: Sequence[tuple[str, T, list[int]]]) -> list[dict[str, Any]]:
    return [{"name": name, "datatype": datatype, "shape": shape} for name, datatype, shape in tensors]


def _grpc_handler(server: OpenInferenceServer, note: Callable[[str], object]) -> grpc.GenericRpcHandler:
    """Returns the methods of the service; they run in threads, so that the loop has no tasks of theirs."""

    def check(context: grpc.ServicerContext, name: str) -> None:
        told = dict(context.invocation_metadata() or ())
        if server.key and told.get("authorization") != f"Bearer {server.key}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        if name not in MODELS:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no model {name}")

    def ready(request: Any, context: grpc.ServicerContext) -> Any:
        note("checks")
        check(context, request.name)
        return messages.ModelReadyResponse(ready=server.ready)

    def describe(request: Any, context: grpc.ServicerContext) -> Any:
        check(context, request.name)
        model = MODELS[request.name]
        inputs, outputs = (model.inputs, model.outputs) if model.tells else ((), ())
        return messages.ModelMetadataResponse(
            name=request.name, versions=model.versions, inputs=_told(inputs), outputs=_told(outputs)
        )

    def infer(request: Any, context: grpc.ServicerContext) -> Any:
        check(context, request.model_name)
        ended = threading.Event()
        context.add_callback(ended.set)
        note("calls")
        trouble = server.trouble
        if trouble.delay and ended.wait(trouble.delay):
            note("left")
            return messages.ModelInferResponse()
        if server.takes_failure():
            context.abort(trouble.code, trouble.message)
        if trouble.garbage is not None:
            return messages.ModelInferResponse(raw_output_contents=[trouble.garbage])
        raw = zip(request.inputs, request.raw_input_contents, strict=True)
        given = {each.name: from_bytes(each.name, each.datatype, each.shape, data) for each, data in raw}
        try:
            answer = MODELS[request.model_name].compute(given)
        except Refused as error:
            context.abort(grpc.StatusCode.INTERNAL, str(error))
        wanted = [output.name for output in request.outputs]
        chosen = [tensor for tensor in answer if not wanted or tensor.name in wanted]
        return messages.ModelInferResponse(
            outputs=_told([(each.name, each.datatype, list(each.array.shape)) for each in chosen]),
            raw_output_contents=[to_bytes(each) for each in chosen],
        )

    methods: dict[str, tuple[Any, Any]] = {
        "ModelReady": (ready, messages.ModelReadyRequest),
        "ModelMetadata": (describe, messages.ModelMetadataRequest),
        "ModelInfer": (infer, messages.ModelInferRequest),
    }
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            method,
            request_deserializer=request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        for name, (method, request) in methods.items()
    }
    return grpc.method_handlers_generic_handler(SERVICE, handlers)
