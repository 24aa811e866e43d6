"""Tabular tasks over tensors: records in, labels and probabilities or values out.

A record is a flat JSON object; the order of its schema's `properties` is the order of the features
in the model's one input tensor. Used by every backend that serves tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from engine.backends.base import VersionSpec
from engine.backends.tensors import Array
from engine.errors import ModelError
from engine.values import ModelTask


@dataclass(frozen=True, slots=True)
class TabularCodec:
    """Turns records into a float32 matrix [records, features] and the model's answer into results."""

    features: tuple[str, ...]
    labels: tuple[str, ...] | None
    all_of: Callable[[dict[str, Any]], Sequence[Any]]
    """Returns the values of all features of a record; raises KeyError if one is left out."""

    @classmethod
    def of(cls, spec: VersionSpec) -> TabularCodec:
        """Returns the codec of a version.

        Raises:
            ModelError: the version has no input schema, or a classifier no labels.
        """
        if not spec.input_schema or not spec.input_schema.get("properties"):
            raise ModelError(f"{spec.name} is tabular and needs an inputSchema with properties.")
        features = tuple(spec.input_schema["properties"])
        all_of = itemgetter(*features) if len(features) > 1 else lambda record: (record[features[0]],)
        if spec.task is not ModelTask.TABULAR_CLASSIFICATION:
            return cls(features, None, all_of)
        labels = spec.config.get("labels")
        if not labels:
            raise ModelError(f"{spec.name} is a classifier and needs labels.")
        return cls(features, tuple(labels), all_of)

    def encode(self, records: Sequence[dict[str, Any]]) -> Array:
        """Returns the matrix of some records; a feature a record leaves out is NaN."""
        rows = list(map(self._values, records))
        return np.asarray(rows, dtype=np.float32).reshape(len(rows), len(self.features))

    def decode(self, scores: Array, records: int) -> list[dict[str, Any]]:
        """Returns a result for each row of [records, classes] probabilities or [records, 1] values.

        Raises:
            ModelError: the model's answer has not that shape, or is not a number.
        """
        width = 1 if self.labels is None else len(self.labels)
        if scores.ndim == 1:
            scores = scores[:, None]
        if scores.shape != (records, width):
            raise ModelError(f"The model answered {list(scores.shape)}, not [{records}, {width}].")
        if not np.isfinite(scores).all():
            raise ModelError("The model answered a value that is not a number.")
        if self.labels is None:
            return [{"value": value} for value in scores[:, 0].tolist()]
        best = scores.argmax(axis=1).tolist()
        return [self._classified(row, place) for row, place in zip(scores.tolist(), best, strict=True)]

    def _values(self, record: dict[str, Any]) -> Sequence[Any]:
        try:
            return self.all_of(record)  # in a third of the time
        except KeyError:
            return [record.get(feature, np.nan) for feature in self.features]

    def _classified(self, probabilities: list[float], best: int) -> dict[str, Any]:
        assert self.labels is not None
        pairs = zip(self.labels, probabilities, strict=True)
        return {
            "label": self.labels[best],
            "score": probabilities[best],
            "probabilities": [{"label": label, "probability": value} for label, value in pairs],
        }
