"""The backends that the contract suite is run on, each with inputs of its own.

To add one: a function that opens it, loaded and with whatever it talks to, and a line in `CASES`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.backends.base import Backend, VersionSpec
from engine.backends.generation import GenerationBackend
from engine.backends.onnx import OnnxBackend
from engine.values import ModelTask, PredictionData
from tests.engine import onnx_files
from tests.engine.backends.inferences import WAYS, spec_for
from tests.engine.backends.inferences import opened as opened_inference
from tests.engine.backends.upstreams import openai_spec, opened_openai
from tests.engine.specs import embedded_spec, examples, regression_spec, tabular, tensors, text
from tests.engine.text_files import parrot
from tests.servers.open_inference import OpenInferenceServer
from tests.servers.openai_compatible import served_elsewhere
from tests.servers.script import model

Open = Callable[[Path], AbstractAsyncContextManager[Backend]]


@dataclass(frozen=True)
class Case:
    """A backend to try: how to open it in a folder, and inputs whose answers all differ.

    `refused` is an input that passes the checks before the backend, and that the backend itself
    then fails on.
    """

    name: str
    open: Open
    inputs: Sequence[PredictionData]
    refused: PredictionData | None = None

    def __str__(self) -> str:
        return self.name


@asynccontextmanager
async def opened_onnx(spec: VersionSpec) -> AsyncIterator[OnnxBackend]:
    """Yields a loaded ONNX backend with two threads of its own."""
    with ThreadPoolExecutor(2, "inference") as executor:
        backend = OnnxBackend(spec, executor)
        await backend.load()
        yield backend
        await backend.close()


@asynccontextmanager
async def _parrot(folder: Path) -> AsyncIterator[Backend]:
    with ThreadPoolExecutor(2, "inference") as executor:
        backend = GenerationBackend(parrot(folder, "What the parrot says: 😀"), executor)
        await backend.load()
        yield backend
        await backend.close()


@asynccontextmanager
async def _story(folder: Path) -> AsyncIterator[Backend]:
    with served_elsewhere() as url:
        async with opened_openai(openai_spec(url, model(tokens=20, delay=0.002))) as backend:
            yield backend


@asynccontextmanager
async def _vectors(folder: Path) -> AsyncIterator[Backend]:
    with served_elsewhere() as url:
        async with opened_openai(openai_spec(url, "vectors", ModelTask.EMBEDDING)) as backend:
            yield backend


def _inferring(model: str, task: ModelTask, way: str) -> Open:
    @asynccontextmanager
    async def open_there(folder: Path) -> AsyncIterator[Backend]:
        async with (
            OpenInferenceServer().serving() as server,
            opened_inference(spec_for(server, model, task, **WAYS[way])) as backend,
        ):
            yield backend

    return open_there


def _embedded(name: str) -> Open:
    return lambda folder: opened_onnx(embedded_spec(name))


def _lookup(folder: Path) -> AbstractAsyncContextManager[Backend]:
    path = onnx_files.lookup(folder / "lookup.onnx", [10.0, 20.0, 30.0, 40.0])
    return opened_onnx(regression_spec(path, ["place"]))


def _records(name: str) -> list[PredictionData]:
    return [tabular(example["record"]) for example in examples(name)]


CASES = [
    Case("onnx classifier", _embedded("breast-cancer"), _records("breast-cancer")),
    Case("onnx regressor", _embedded("diabetes"), _records("diabetes")),
    Case(
        "onnx tensors",
        _embedded("digits"),
        [tensors(image=[example["image"]]) for example in examples("digits")],
    ),
    Case(
        "onnx text",
        _parrot,
        [text("?"), text("??"), text("?" * 16), text("?", maxTokens=3)],
        refused=text("?" * 300),
    ),
    Case(
        "openai text",
        _story,
        [text("Tell me", maxTokens=count) for count in (2, 3, 5, 8)],
    ),
    Case(
        "openai embeddings",
        _vectors,
        [PredictionData("embedding", {"texts": ["?" * length]}) for length in (1, 2, 3)],
    ),
    *(
        Case(
            f"open inference tabular, {way}",
            _inferring("sum", ModelTask.TABULAR_REGRESSION, way),
            [tabular({"a": a, "b": 1}) for a in range(4)],
            refused=tabular({"a": -1, "b": 1}),
        )
        for way in WAYS
    ),
    *(
        Case(
            f"open inference tensors, {way}",
            _inferring("double", ModelTask.TENSOR, way),
            [tensors(once=[[a, 1]]) for a in range(4)],
        )
        for way in WAYS
    ),
    Case(
        "onnx lookup",
        _lookup,
        [tabular({"place": place}) for place in range(4)],
        refused=tabular({"place": 99}),
    ),
]
