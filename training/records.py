"""Tables of numbers as records: features, schema, and the split into training and held-out rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

SEED = 0
TEST_SHARE = 0.25

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of the data: its name in a record, its meaning, and bounds where the data's will not do."""

    name: str
    meaning: str
    bounds: tuple[float, float] | None = None

    def schema(self, column: Array) -> dict[str, object]:
        """The JSON Schema of one value, whose bounds are wider than the data by half its span."""
        low, high = float(column.min()), float(column.max())
        least, most = self.bounds or widened(low, high)
        note = "; wider bounds are accepted." if least < low or most > high else "."
        return {
            "type": "number",
            "description": f"{self.meaning} The data has {low:.4g} to {high:.4g}{note}",
            "minimum": least,
            "maximum": most,
        }


def widened(low: float, high: float) -> tuple[float, float]:
    """The range with half its span on either side, not below 0 where nothing was, in two digits."""
    margin = (high - low) / 2
    least = low - margin if low < 0 else max(0.0, low - margin)
    return float(f"{least:.2g}"), float(f"{high + margin:.2g}")


@dataclass(frozen=True, slots=True)
class Table:
    """A data set: models are fitted on the `train` rows, every figure is measured on the `test` rows."""

    title: str
    features: list[Feature]
    train: Array
    test: Array
    train_target: Array
    test_target: Array

    @property
    def names(self) -> list[str]:
        """The features' names in the order of the columns."""
        return [feature.name for feature in self.features]

    @property
    def baseline(self) -> dict[str, float]:
        """The training mean of every feature."""
        means = self.train.mean(axis=0)
        return {name: float(f"{mean:.6g}") for name, mean in zip(self.names, means, strict=True)}

    def record(self, row: Array) -> dict[str, float]:
        """A row as a client would send it."""
        return {name: float(value) for name, value in zip(self.names, row, strict=True)}

    def schema(self) -> dict[str, object]:
        """The JSON Schema (draft 2020-12) of one record; its properties stand in column order."""
        columns = np.concatenate((self.train, self.test)).T
        properties = {
            feature.name: feature.schema(column)
            for feature, column in zip(self.features, columns, strict=True)
        }
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.title,
            "type": "object",
            "properties": properties,
            "required": self.names,
            "additionalProperties": False,
            "examples": [self.record(self.train[0])],
        }


def split_table(
    title: str, features: list[Feature], data: Array, target: Array, *, stratified: bool = False
) -> Table:
    """The table with a quarter of its rows held out, the same ones every time."""
    parts = train_test_split(
        data, target, test_size=TEST_SHARE, random_state=SEED, stratify=target if stratified else None
    )
    return Table(title, features, *parts)
