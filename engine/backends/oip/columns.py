"""Records as the tensors that a server takes: one matrix, or a column for each feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.backends.base import VersionSpec
from engine.backends.oip.tensors import Tensor
from engine.backends.tabular import TabularCodec
from engine.backends.tensors import DTYPES, Array, decode_tensor
from engine.errors import InvalidInputError, ModelError
from engine.values import TensorDatatype, TensorSpec

FLOATS = (TensorDatatype.FP16, TensorDatatype.FP32, TensorDatatype.FP64)


@dataclass(frozen=True, slots=True)
class RecordTensors:
    """Turns records into tensors, by the inputs of a version and the order of its schema's properties."""

    codec: TabularCodec
    inputs: tuple[TensorSpec, ...]

    @classmethod
    def of(cls, spec: VersionSpec, inputs: tuple[TensorSpec, ...]) -> RecordTensors:
        """Returns what a version needs.

        Raises:
            ModelError: its inputs are neither one matrix as wide as a record nor one for each feature.
        """
        codec = TabularCodec.of(spec)
        width, names = len(codec.features), {each.name for each in inputs}
        is_matrix = len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].shape[1] in (-1, width)
        if not is_matrix and names != set(codec.features):
            raise ModelError(
                f"A tabular model takes one input [-1, {width}], or one for each property of inputSchema, of "
                f"its name; the server tells {_told(inputs)}."
            )
        if is_matrix and inputs[0].datatype not in FLOATS and names != set(codec.features):
            raise ModelError(f"A matrix of records is of floats, not of {inputs[0].datatype}.")
        return cls(codec, inputs)

    def encode(self, records: Sequence[dict[str, Any]]) -> list[Tensor]:
        """Returns the tensors of some records; a number that a record leaves out is NaN.

        Raises:
            ModelError: a value is left out, or is not of its column's type, where that can not be said.
        """
        (first, *others) = self.inputs
        if not others and first.name not in self.codec.features:
            matrix = self.codec.encode(records).astype(DTYPES[first.datatype])
            return [Tensor(first.name, first.datatype, matrix)]
        return [self._column(spec, records) for spec in self.inputs]

    def _column(self, spec: TensorSpec, records: Sequence[dict[str, Any]]) -> Tensor:
        values = [record.get(spec.name) for record in records]
        shape = (len(values),) if len(spec.shape) == 1 else (len(values), 1)
        if spec.datatype in FLOATS:
            numbers = [np.nan if value is None else value for value in values]
            return Tensor(spec.name, spec.datatype, _floats(spec, numbers).reshape(shape))
        told = {"datatype": spec.datatype, "shape": list(shape), "data": values}
        try:
            return Tensor(spec.name, spec.datatype, decode_tensor(told))
        except InvalidInputError as error:
            raise ModelError(f"The column {spec.name!r} is {spec.datatype}: {error.message}") from error


def _floats(spec: TensorSpec, numbers: Sequence[Any]) -> Array:
    try:
        return np.asarray(numbers, dtype=DTYPES[spec.datatype])
    except (TypeError, ValueError) as error:
        raise ModelError(f"The column {spec.name!r} is {spec.datatype}: a value is no number.") from error


def _told(inputs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{each.name} {each.datatype} {list(each.shape)}" for each in inputs) or "none"
