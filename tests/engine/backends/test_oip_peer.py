"""The backend against MLServer, a server of the Open Inference Protocol that we did not write."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from engine.backends.base import VersionSpec, drain
from engine.errors import ModelError
from engine.values import ModelTask, PredictionData, TensorDatatype, TensorSpec
from tests.engine.backends.inferences import asked, loaded, opened
from tests.engine.specs import number_schema, tabular
from tests.servers.mlserver import MLServer, running_mlserver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
every_protocol = pytest.mark.parametrize("protocol", ["HTTP", "GRPC"])

PETALS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
SETOSA = dict(zip(PETALS, (5.1, 3.5, 1.4, 0.2), strict=True))
VIRGINICA = dict(zip(PETALS, (6.3, 3.3, 6.0, 2.5), strict=True))
LABELS = ["setosa", "versicolor", "virginica"]


@pytest.fixture(scope="module")
def mlserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLServer]:
    with running_mlserver(tmp_path_factory.mktemp("mlserver")) as server:
        yield server


def spec_of(
    server: MLServer, protocol: str, model: str, task: ModelTask, features: list[str], **config: Any
) -> VersionSpec:
    url = server.grpc_url if protocol == "GRPC" else server.url
    config = {"url": url, "protocol": protocol, "model": model, **config}
    return VersionSpec(
        id=model, name=f"{model}/1", task=task, config=config, input_schema=number_schema(features)
    )


def iris(server: MLServer, protocol: str, model: str = "iris", **config: Any) -> VersionSpec:
    config = {"scores": "predict_proba", "labels": LABELS, **config}
    return spec_of(server, protocol, model, ModelTask.TABULAR_CLASSIFICATION, PETALS, **config)


@every_protocol
async def test_flowers_are_told_apart_with_their_probabilities(mlserver: MLServer, protocol: str) -> None:
    result = await asked(iris(mlserver, protocol), tabular(SETOSA, VIRGINICA))

    first, second = result.output["results"]
    assert (first["label"], second["label"]) == ("setosa", "virginica")
    assert first["score"] > 0.9
    assert sum(each["probability"] for each in first["probabilities"]) == pytest.approx(1)


@every_protocol
async def test_a_regression_answers_a_value_for_each_record(mlserver: MLServer, protocol: str) -> None:
    features = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
    spec = spec_of(mlserver, protocol, "diabetes", ModelTask.TABULAR_REGRESSION, features)

    result = await asked(spec, tabular(dict.fromkeys(features, 0.0)))

    assert result.output["results"][0]["value"] == pytest.approx(152.13, abs=0.01)  # the mean of the data


@every_protocol
async def test_tensors_come_back_with_their_types_and_shapes(mlserver: MLServer, protocol: str) -> None:
    flower = {"name": "flowers", "datatype": "FP64", "shape": [1, 4], "data": list(SETOSA.values())}
    data = PredictionData("tensor", {"tensors": [flower]})

    result = await asked(spec_of(mlserver, protocol, "iris", ModelTask.TENSOR, []), data)

    (output,) = result.output["tensors"]
    assert (output["name"], output["datatype"], output["data"]) == ("predict", "INT64", [0])


@every_protocol
async def test_what_it_tells_of_a_model_is_imported(mlserver: MLServer, protocol: str) -> None:
    metadata = await loaded(iris(mlserver, protocol, modelVersion="v1"))

    assert metadata.inputs == (TensorSpec("flowers", TensorDatatype.FP64, (-1, 4)),)
    assert metadata.outputs[1] == TensorSpec("predict_proba", TensorDatatype.FP64, (-1, 3))


@every_protocol
async def test_its_errors_are_ours(mlserver: MLServer, protocol: str) -> None:
    with pytest.raises(ModelError) as unknown:
        await asked(iris(mlserver, protocol, model="nothing"), tabular(SETOSA))
    with pytest.raises(ModelError) as refused:
        await asked(iris(mlserver, protocol, scores="nothing"), tabular(SETOSA))

    assert not unknown.value.retryable
    assert not refused.value.retryable
    assert "nothing" in refused.value.message


@every_protocol
async def test_concurrent_predictions_do_not_mix(mlserver: MLServer, protocol: str) -> None:
    async with opened(iris(mlserver, protocol)) as backend:
        asked_for = [tabular(SETOSA if turn % 2 else VIRGINICA) for turn in range(20)]
        answers = await asyncio.gather(*(drain(backend.predict(data)) for data in asked_for))

    labels = [answer.output["results"][0]["label"] for answer in answers]
    assert labels == ["setosa" if turn % 2 else "virginica" for turn in range(20)]
