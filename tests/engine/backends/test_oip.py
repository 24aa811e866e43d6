"""What the backend for the Open Inference Protocol asks a server, and makes of its answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grpc_tools import protoc

from engine.backends.base import drain
from engine.backends.oip import protocol
from engine.backends.tensors import DTYPES
from engine.definitions import read_definitions
from engine.errors import DefinitionError, ModelError
from engine.values import ModelTask, PredictionData, TensorDatatype, TensorSpec, UsageSource
from tests.engine.backends.inferences import WAYS, asked, loaded, opened, spec_for
from tests.engine.specs import tabular, tensors
from tests.servers.open_inference import OpenInferenceServer

every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
CLASSES: dict[str, Any] = {
    "task": ModelTask.TABULAR_CLASSIFICATION,
    "features": ("chance",),
    "labels": ["no", "yes"],
}


@pytest.fixture
async def server() -> AsyncIterator[OpenInferenceServer]:
    async with OpenInferenceServer().serving() as server:
        yield server


@every_way
async def test_records_are_sent_as_one_matrix(server: OpenInferenceServer, way: dict[str, Any]) -> None:
    result = await asked(spec_for(server, "sum", **way), tabular({"a": 1, "b": 2.5}, {"b": 4, "a": 3}))

    assert result.output == {"results": [{"value": 3.5}, {"value": 7.0}]}
    assert (result.usage.source, result.usage.records) == (UsageSource.COUNTED, 2)
    assert (server.calls, server.binary_calls) == (1, way.get("binary", False))


@every_way
async def test_records_are_sent_as_columns_where_the_server_takes_those(
    server: OpenInferenceServer, way: dict[str, Any]
) -> None:
    records = tabular({"age": 40, "city": "Ulm"}, {"age": 2, "city": "Köln"})

    result = await asked(spec_for(server, "columns", features=("city", "age"), **way), records)

    assert result.output == {"results": [{"value": 43.0}, {"value": 6.0}]}


@every_way
async def test_scores_become_labels_with_probabilities(
    server: OpenInferenceServer, way: dict[str, Any]
) -> None:
    spec = spec_for(server, "classes", scores="scores", **CLASSES, **way)

    result = await asked(spec, tabular({"chance": 0.75}))

    assert result.output["results"] == [
        {
            "label": "yes",
            "score": 0.75,
            "probabilities": [{"label": "no", "probability": 0.25}, {"label": "yes", "probability": 0.75}],
        }
    ]


async def test_an_output_that_holds_no_scores_is_told(server: OpenInferenceServer) -> None:
    wrong: list[dict[str, Any]] = [{}, {"scores": "nothing"}]
    for config in wrong:
        with pytest.raises(ModelError, match="`scores` names"):
            await asked(spec_for(server, "classes", **CLASSES, **config), tabular({"chance": 0.75}))


@every_way
async def test_tensors_go_and_come_with_their_shapes(
    server: OpenInferenceServer, way: dict[str, Any]
) -> None:
    result = await asked(spec_for(server, "double", ModelTask.TENSOR, **way), tensors(once=[[1, 2], [3, 4]]))

    assert result.output == {
        "tensors": [{"name": "twice", "datatype": "FP32", "shape": [2, 2], "data": [2.0, 4.0, 6.0, 8.0]}]
    }
    assert result.usage.records == 2


@every_way
@pytest.mark.parametrize("datatype", TensorDatatype)
async def test_every_type_of_the_protocol_comes_back_as_it_went(
    server: OpenInferenceServer, way: dict[str, Any], datatype: TensorDatatype
) -> None:
    values: list[Any] = ["", "a", "ü😀"] if datatype is TensorDatatype.BYTES else [False, True]
    if datatype not in (TensorDatatype.BYTES, TensorDatatype.BOOL):
        dtype = DTYPES[datatype]
        least = np.finfo(dtype).min if dtype.kind == "f" else np.iinfo(dtype).min
        values = [np.asarray(least).item(), 1, 0]
    tensor = {"name": "x", "datatype": datatype, "shape": [len(values)], "data": values}

    result = await asked(
        spec_for(server, "echo", ModelTask.TENSOR, **way), PredictionData("tensor", {"tensors": [tensor]})
    )

    assert result.output["tensors"] == [tensor | {"datatype": datatype}]


@pytest.mark.parametrize("way", [WAYS["binary"], WAYS["grpc"]], ids=["binary", "grpc"])
async def test_a_number_that_is_left_out_is_nan(server: OpenInferenceServer, way: dict[str, Any]) -> None:
    spec = spec_for(server, "sum", **way)

    with pytest.raises(ModelError, match="not a number"):  # the sum with a NaN
        await asked(spec, tabular({"a": 1}))


@every_way
async def test_what_the_server_tells_of_a_model_is_imported(
    server: OpenInferenceServer, way: dict[str, Any]
) -> None:
    metadata = await loaded(spec_for(server, "sum", **way))

    assert metadata.inputs == (TensorSpec("rows", TensorDatatype.FP64, (-1, 2)),)
    assert metadata.outputs == (TensorSpec("value", TensorDatatype.FP64, (-1, 1)),)


@every_way
async def test_a_version_of_the_server_is_asked_for_by_its_name(
    server: OpenInferenceServer, way: dict[str, Any]
) -> None:
    result = await asked(spec_for(server, "sum", modelVersion="2", **way), tabular({"a": 1, "b": 2}))

    assert result.output == {"results": [{"value": 3.0}]}
    with pytest.raises(ModelError, match="has no version '3'"):
        await loaded(spec_for(server, "sum", modelVersion="3", **way))


async def test_bytes_are_sent_where_the_server_says_that_it_takes_them(server: OpenInferenceServer) -> None:
    for binary in (True, False):
        server.binary, server.binary_calls = binary, 0

        await asked(spec_for(server, "sum"), tabular({"a": 1, "b": 2}))

        assert server.binary_calls == binary


@every_way
async def test_tensors_that_the_server_does_not_tell_are_those_of_the_config(
    server: OpenInferenceServer, way: dict[str, Any]
) -> None:
    inputs = [{"name": "rows", "datatype": "FP64", "shape": [-1, 2]}]

    result = await asked(spec_for(server, "silent", inputs=inputs, **way), tabular({"a": 1, "b": 2}))

    assert result.output == {"results": [{"value": 3.0}]}
    with pytest.raises(ModelError, match="give `inputs`"):
        await loaded(spec_for(server, "silent", **way))


async def test_a_model_that_does_not_fit_its_task_is_not_loaded(server: OpenInferenceServer) -> None:
    with pytest.raises(ModelError, match=r"one input \[-1, 3\].*the server tells rows FP64 \[-1, 2\]"):
        await loaded(spec_for(server, "sum", features=("a", "b", "c")))
    with pytest.raises(ModelError, match="can not serve EMBEDDING"):
        await loaded(spec_for(server, "sum", ModelTask.EMBEDDING))


@every_way
async def test_no_records_cost_no_call(server: OpenInferenceServer, way: dict[str, Any]) -> None:
    result = await asked(spec_for(server, "sum", **way), tabular())

    assert (result.output, result.usage.records, server.calls) == ({"results": []}, 0, 0)


async def test_a_value_of_another_type_than_its_column_is_told(server: OpenInferenceServer) -> None:
    async with opened(spec_for(server, "columns", features=("city", "age"))) as backend:
        for record in ({"age": 1.5, "city": "Ulm"}, {"city": "Ulm"}):
            with pytest.raises(ModelError, match="The column 'age' is INT64"):
                await drain(backend.predict(tabular(record)))


def test_the_registry_file_names_a_server_a_model_and_how_it_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text("""
[[models]]
name = "iris"
display_name = "Iris"
task = "TENSOR"
[[models.versions]]
version = "1"
[models.versions.backend]
kind = "OPEN_INFERENCE"
url = "http://triton:8001"
model = "iris"
protocol = "GRPC"
inputs = [{ name = "x", datatype = "FP32", shape = [-1, 4] }]
timeouts = { total = 5 }
""")

    (model,) = read_definitions(file)

    assert model.versions[0].backend.config() == {
        "url": "http://triton:8001",
        "model": "iris",
        "protocol": "GRPC",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "timeouts": {"total": 5.0},
    }


@pytest.mark.parametrize("wrong", ['url = "grpc://triton:8001"', 'protocol = "SOAP"', "speed = 9"])
def test_what_is_wrong_with_a_server_in_the_registry_file_is_told(tmp_path: Path, wrong: str) -> None:
    told = {"url": 'url = "http://triton"', "model": 'model = "m"', wrong.split(" ")[0]: wrong}
    file = tmp_path / "models.toml"
    file.write_text(
        '[[models]]\nname = "m"\ndisplay_name = "M"\ntask = "TENSOR"\n[[models.versions]]\nversion = "1"\n'
        '[models.versions.backend]\nkind = "OPEN_INFERENCE"\n' + "\n".join(told.values())
    )

    with pytest.raises(DefinitionError, match=wrong.split(" ", maxsplit=1)[0]):
        read_definitions(file)


def test_the_messages_are_those_that_protoc_writes_from_the_protocol(tmp_path: Path) -> None:
    folder = Path(protocol.__file__).parent

    told = protoc.main(["protoc", f"-I{folder}", f"--python_out={tmp_path}", "open_inference.proto"])

    written = (tmp_path / "open_inference_pb2.py").read_text()
    assert told == 0
    assert written == (folder / "open_inference_pb2.py").read_text()
