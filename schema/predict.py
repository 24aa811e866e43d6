"""The `predict` mutation's input and payload."""

from __future__ import annotations

from typing import Any

import strawberry

from engine.errors import InvalidInputError
from engine.values import PredictionData, PredictRequest
from schema.enums import ExplanationMethod, TensorDatatype
from schema.errors import UserError
from schema.models import ModelRefInput, ModelVersionRefInput
from schema.predictions import Prediction
from schema.scalars import JSON
from schema.types import given, input_type, object_type, one_of_type

INPUT = ("input",)


@input_type
class TabularDataInput:
    """Records for a tabular model."""

    records: JSON = strawberry.field(
        description="An array of at most 1000 objects, each checked against ModelVersion.inputSchema."
    )


@one_of_type
class TensorValuesInput:
    """A tensor's values, in exactly one of these forms."""

    json: strawberry.Maybe[JSON] = strawberry.field(description="A flat or nested array, row-major.")
    base64: strawberry.Maybe[str] = strawberry.field(description="The little-endian bytes in base64.")


@input_type
class TensorInput:
    """One input tensor."""

    name: str = strawberry.field(description="The name of one of ModelVersion.inputs.")
    datatype: TensorDatatype = strawberry.field(description="The type of its elements.")
    shape: list[int] = strawberry.field(description="Its dimensions.")
    values: TensorValuesInput = strawberry.field(description="Its values.")

    def value(self) -> dict[str, Any]:
        """Returns the tensor's JSON."""
        tensor: dict[str, Any] = {"name": self.name, "datatype": self.datatype, "shape": self.shape}
        if self.values.json:
            return {**tensor, "data": self.values.json.value}
        assert self.values.base64 is not None
        return {**tensor, "base64": self.values.base64.value}


@input_type
class TensorDataInput:
    """Tensors for a TENSOR model."""

    tensors: list[TensorInput] = strawberry.field(description="One for each of ModelVersion.inputs.")


@one_of_type
class PredictionDataInput:
    """What to predict from: exactly the member that goes with Model.task."""

    tabular: strawberry.Maybe[TabularDataInput] = strawberry.field(
        description="For TABULAR_CLASSIFICATION and TABULAR_REGRESSION."
    )
    tensor: strawberry.Maybe[TensorDataInput] = strawberry.field(description="For TENSOR.")

    def value(self) -> PredictionData:
        """Returns the input as the engine takes it."""
        if self.tabular:
            return PredictionData("tabular", {"records": self.tabular.value.records})
        if self.tensor:
            return PredictionData("tensor", {"tensors": [each.value() for each in self.tensor.value.tensors]})
        raise InvalidInputError("Give exactly one member.", path=(*INPUT, "data"))


@input_type
class PredictInput:
    """One prediction."""

    model: ModelRefInput = strawberry.field(description="The model to ask.")
    version: ModelVersionRefInput | None = strawberry.field(
        default=strawberry.UNSET, description="Which version of it; the default one if left out."
    )
    data: PredictionDataInput = strawberry.field(description="What to predict from.")
    wait_ms: int = strawberry.field(
        default=10_000, description="How long to wait for the answer; 0 returns at once, at most 60000."
    )
    explain: ExplanationMethod | None = strawberry.field(
        default=strawberry.UNSET, description="Also find out why; tabular models, at most 100 records."
    )
    metadata: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="Anything to find with the prediction again, at most 16 KiB."
    )

    def value(self) -> PredictRequest:
        """Returns the request as the engine takes it."""
        return PredictRequest(
            model=self.model.value((*INPUT, "model")),
            version=self.version.value((*INPUT, "version")) if self.version else None,
            data=self.data.value(),
            wait_ms=self.wait_ms,
            explain=given(self.explain),
            metadata=given(self.metadata),
        )


@object_type
class PredictPayload:
    """The prediction as it was when the wait was over, or why there is none."""

    prediction: Prediction | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why it was refused, every problem at once; else empty."
    )
