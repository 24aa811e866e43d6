"""What predictions are made from, and what they answer: a type for each task, and one union of each."""

from __future__ import annotations

from typing import Annotated, Any, Self

import strawberry

from schema.enums import ChatRole, FinishReason, TensorDatatype
from schema.scalars import JSON
from schema.types import object_type


@object_type
class TabularInputData:
    """The records of a tabular prediction, as they were given."""

    records: JSON = strawberry.field(description="An array of objects.")


@object_type
class Tensor:
    """A tensor; `data` is row-major, `base64` little-endian bytes, and one of them is null."""

    name: str = strawberry.field(description="The name of the input or output.")
    datatype: TensorDatatype = strawberry.field(description="The type of its elements.")
    shape: list[int] = strawberry.field(description="Its dimensions.")
    data: JSON | None = strawberry.field(description="Its values as a flat or nested array.")
    base64: str | None = strawberry.field(description="Its bytes, where they were given so.")

    @classmethod
    def from_json(cls, tensor: dict[str, Any]) -> Self:
        """Shapes a stored tensor."""
        data = tensor.get("data")
        return cls(
            name=tensor["name"],
            datatype=TensorDatatype(tensor["datatype"]),
            shape=tensor["shape"],
            data=None if data is None else JSON(data),
            base64=tensor.get("base64"),
        )


@object_type
class TensorInputData:
    """The tensors of a prediction, as they were given."""

    tensors: list[Tensor] = strawberry.field(description="One for each input of the version.")


@object_type
class ClassProbability:
    """How probable a class is."""

    label: str = strawberry.field(description="The class.")
    probability: float = strawberry.field(description="0 to 1.")


@object_type
class TabularResult:
    """The answer for one record: a `value` from a regressor, the other fields from a classifier."""

    value: float | None = strawberry.field(default=None, description="Regression: the predicted value.")
    label: str | None = strawberry.field(default=None, description="Classification: the most probable class.")
    score: float | None = strawberry.field(default=None, description="The probability of `label`.")
    probabilities: list[ClassProbability] | None = strawberry.field(
        default=None, description="Every class, in the order of the model."
    )

    @classmethod
    def from_json(cls, result: dict[str, Any]) -> Self:
        """Shapes a stored result."""
        classes = result.get("probabilities")
        return cls(
            value=result.get("value"),
            label=result.get("label"),
            score=result.get("score"),
            probabilities=None if classes is None else [ClassProbability(**each) for each in classes],
        )


@object_type
class TabularOutput:
    """One result for each record, in the same order."""

    results: list[TabularResult] = strawberry.field(description="As many as there were records.")


@object_type
class TensorOutput:
    """The tensors that a version gave."""

    tensors: list[Tensor] = strawberry.field(description="One for each output of the version.")


@object_type
class ChatMessage:
    """A message of a conversation."""

    role: ChatRole = strawberry.field(description="Who says it.")
    content: str = strawberry.field(description="What is said.")


@object_type
class TextInputData:
    """A prompt, as it was given: `prompt` or `messages`."""

    prompt: str | None = strawberry.field(description="The plain text.")
    messages: list[ChatMessage] | None = strawberry.field(description="The conversation.")
    parameters: JSON = strawberry.field(description="How to generate, as far as it was said.")


@object_type
class EmbeddingInputData:
    """The texts that vectors were asked for."""

    texts: list[str] = strawberry.field(description="As they were given.")


@object_type
class TextOutput:
    """A generated text: whole, or what there was when it was cut."""

    text: str = strawberry.field(description="Everything that was generated.")
    finish_reason: FinishReason = strawberry.field(description="Why it ended.")
    last_sequence: int = strawberry.field(description="The number of the last TokenEvent.")


@object_type
class EmbeddingOutput:
    """A vector for each text, in the same order."""

    dimensions: int = strawberry.field(description="The length of each vector.")
    embeddings: JSON = strawberry.field(description="An array of arrays of numbers.")


PredictionInputData = Annotated[
    TabularInputData | TensorInputData | TextInputData | EmbeddingInputData,
    strawberry.union("PredictionInputData", description="An input; its type follows the model's task."),
]
PredictionOutput = Annotated[
    TabularOutput | TensorOutput | TextOutput | EmbeddingOutput,
    strawberry.union("PredictionOutput", description="An output; its type follows the model's task."),
]


def shape_input(value: dict[str, Any]) -> PredictionInputData:
    """Shapes a stored input; see `engine.values` for what is stored."""
    if "records" in value:
        return TabularInputData(records=JSON(value["records"]))
    if "tensors" in value:
        return TensorInputData(tensors=[Tensor.from_json(tensor) for tensor in value["tensors"]])
    if "texts" in value:
        return EmbeddingInputData(texts=value["texts"])
    messages = value.get("messages")
    return TextInputData(
        prompt=value.get("prompt"),
        messages=None
        if messages is None
        else [ChatMessage(role=ChatRole(each["role"]), content=each["content"]) for each in messages],
        parameters=JSON(value.get("parameters", {})),
    )


def shape_output(value: dict[str, Any]) -> PredictionOutput:
    """Shapes a stored output; see `engine.values` for what is stored."""
    if "results" in value:
        return TabularOutput(results=[TabularResult.from_json(result) for result in value["results"]])
    if "tensors" in value:
        return TensorOutput(tensors=[Tensor.from_json(tensor) for tensor in value["tensors"]])
    if "embeddings" in value:
        return EmbeddingOutput(dimensions=value["dimensions"], embeddings=JSON(value["embeddings"]))
    return TextOutput(
        text=value["text"],
        finish_reason=FinishReason(value["finishReason"]),
        last_sequence=value["lastSequence"],
    )
