"""What backends are told in tests: the embedded models, and specs made from parts."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from engine.backends.base import VersionSpec
from engine.definitions import ModelDefinition, read_definitions
from engine.registry import version_columns
from engine.values import ModelTask, PredictionData
from foretell.lifespan import EMBEDDED

Record = dict[str, Any]


@cache
def embedded(name: str) -> ModelDefinition:
    """Returns the definition of an embedded model."""
    return next(model for model in read_definitions(EMBEDDED) if model.name == name)


def embedded_spec(name: str) -> VersionSpec:
    """Returns the spec of an embedded model's newest version."""
    definition = embedded(name)
    version = definition.versions[-1]
    assert not isinstance(version.input_schema, str)
    return VersionSpec(
        id=name,
        name=f"{name}/{version.version}",
        task=definition.task,
        config=version_columns(version)["config"],
        input_schema=version.input_schema,
        max_batch_size=version.max_batch_size,
    )


@cache
def examples(name: str) -> list[dict[str, Any]]:
    """Returns the examples of an embedded model: `record`, or `image`, with what is known of it."""
    return json.loads((EMBEDDED.parent / "examples.json").read_text())[name]  # type: ignore[no-any-return]


def regression_spec(path: Path, features: list[str], **config: Any) -> VersionSpec:
    """Returns the spec of a tabular regressor over number features."""
    return VersionSpec(
        id=path.stem,
        name=f"{path.stem}/1",
        task=ModelTask.TABULAR_REGRESSION,
        config={"path": str(path), **config},
        input_schema=number_schema(features),
    )


def tensor_spec(path: Path, **config: Any) -> VersionSpec:
    """Returns the spec of a model for tensors."""
    config = {"path": str(path), **config}
    return VersionSpec(id=path.stem, name=f"{path.stem}/1", task=ModelTask.TENSOR, config=config)


def number_schema(features: list[str]) -> dict[str, Any]:
    """Returns the JSON Schema of a record with these numbers and nothing else."""
    return {
        "type": "object",
        "properties": {feature: {"type": "number"} for feature in features},
        "required": features,
        "additionalProperties": False,
    }


def tabular(*records: Any) -> PredictionData:
    """Returns an input of records."""
    return PredictionData("tabular", {"records": list(records)})


def tensors(**arrays: Any) -> PredictionData:
    """Returns an input of FP32 tensors from nested lists, each given by its name."""
    return PredictionData("tensor", {"tensors": [fp32(name, values) for name, values in arrays.items()]})


def fp32(name: str, values: Any) -> dict[str, Any]:
    """Returns the JSON of an FP32 tensor whose shape is that of the nested lists."""
    shape, level = [], values
    while isinstance(level, list):
        shape.append(len(level))
        level = level[0] if level else None
    return {"name": name, "datatype": "FP32", "shape": shape, "data": values}


def text(prompt: str, **parameters: Any) -> PredictionData:
    """Returns an input of a prompt and parameters."""
    return PredictionData("text", {"prompt": prompt, "parameters": parameters})
