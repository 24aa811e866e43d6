"""The `predict` mutation's input and payload."""

from __future__ import annotations

from typing import Any

import strawberry

from engine.values import PredictionData, PredictRequest
from schema.enums import CacheMode, ChatRole, DisconnectPolicy, ExplanationMethod, TensorDatatype
from schema.errors import UserError
from schema.models import ModelRefInput, ModelVersionRefInput
from schema.predictions import Prediction
from schema.scalars import JSON, URL
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


@input_type
class ChatMessageInput:
    """A message of a conversation."""

    role: ChatRole = strawberry.field(description="Who says it.")
    content: str = strawberry.field(description="What is said.")


@one_of_type
class TextPromptInput:
    """What to continue or to answer, in exactly one of these forms."""

    text: strawberry.Maybe[str] = strawberry.field(description="A plain text.")
    messages: strawberry.Maybe[list[ChatMessageInput]] = strawberry.field(
        description="A conversation, oldest message first."
    )

    def value(self) -> dict[str, Any]:
        """Returns the prompt's JSON."""
        if self.text:
            return {"prompt": self.text.value}
        assert self.messages is not None
        return {"messages": [{"role": each.role, "content": each.content} for each in self.messages.value]}


@input_type
class TextParametersInput:
    """How to generate; what is left out is the model's default."""

    max_tokens: int | None = strawberry.field(
        default=strawberry.UNSET, description="At most this many tokens."
    )
    temperature: float | None = strawberry.field(
        default=strawberry.UNSET, description="0 (always the most probable) to 2."
    )
    top_p: float | None = strawberry.field(
        default=strawberry.UNSET,
        description="Only from the most probable that make up this much; above 0, to 1.",
    )
    stop: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="At most 4 texts, each of which ends the generation unseen."
    )
    seed: int | None = strawberry.field(
        default=strawberry.UNSET, description="The same seed gives the same text, where the model can."
    )

    def value(self) -> dict[str, Any]:
        """Returns the parameters that were given."""
        named = {
            "maxTokens": given(self.max_tokens),
            "temperature": given(self.temperature),
            "topP": given(self.top_p),
            "stop": given(self.stop),
            "seed": given(self.seed),
        }
        return {name: value for name, value in named.items() if value is not None}


@input_type
class TextDataInput:
    """A prompt for a TEXT_GENERATION model."""

    prompt: TextPromptInput = strawberry.field(description="What to continue or to answer.")
    parameters: TextParametersInput | None = strawberry.field(
        default=strawberry.UNSET, description="How to generate."
    )

    def value(self) -> dict[str, Any]:
        """Returns the input's JSON."""
        return {**self.prompt.value(), "parameters": self.parameters.value() if self.parameters else {}}


@input_type
class EmbeddingDataInput:
    """Texts for an EMBEDDING model."""

    texts: list[str] = strawberry.field(description="At most 2048, each of which gets one vector.")


@one_of_type
class PredictionDataInput:
    """What to predict from: exactly the member that goes with Model.task."""

    tabular: strawberry.Maybe[TabularDataInput] = strawberry.field(
        description="For TABULAR_CLASSIFICATION and TABULAR_REGRESSION."
    )
    tensor: strawberry.Maybe[TensorDataInput] = strawberry.field(description="For TENSOR.")
    text: strawberry.Maybe[TextDataInput] = strawberry.field(description="For TEXT_GENERATION.")
    embedding: strawberry.Maybe[EmbeddingDataInput] = strawberry.field(description="For EMBEDDING.")

    def value(self) -> PredictionData:
        """Returns the input as the engine takes it."""
        if self.tabular:
            return PredictionData("tabular", {"records": self.tabular.value.records})
        if self.tensor:
            return PredictionData("tensor", {"tensors": [each.value() for each in self.tensor.value.tensors]})
        if self.text:
            return PredictionData("text", self.text.value.value())
        assert self.embedding is not None  # graphql-core has made sure that one is given
        return PredictionData("embedding", {"texts": self.embedding.value.texts})


@input_type
class PredictInput:
    """One prediction."""

    model: ModelRefInput = strawberry.field(description="The model to ask.")
    version: ModelVersionRefInput | None = strawberry.field(
        default=strawberry.UNSET,
        description="Which version of it; if left out that of the alias `default`, else the default one.",
    )
    data: PredictionDataInput = strawberry.field(description="What to predict from.")
    sticky_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "Keeps a caller on one target of an alias: 1 to 256 characters, such as the id of a user. The "
            "API key if left out."
        ),
    )
    wait_ms: int = strawberry.field(
        default=10_000, description="How long to wait for the answer; 0 returns at once, at most 60000."
    )
    deadline_ms: int | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "How long the work may take, from acceptance on: past it the prediction FAILS with TIMEOUT, "
            "wherever it is. At most 86400000."
        ),
    )
    on_disconnect: DisconnectPolicy = strawberry.field(
        default=DisconnectPolicy.DETACH, description="What happens when the caller goes away while it waits."
    )
    cache: CacheMode = strawberry.field(
        default=CacheMode.USE,
        description="Whether an answer from before will do. Never shared between projects.",
    )
    explain: ExplanationMethod | None = strawberry.field(
        default=strawberry.UNSET, description="Also find out why; tabular models, at most 100 records."
    )
    metadata: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="Anything to find with the prediction again, at most 16 KiB."
    )
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "1 to 128 printable ASCII characters, kept for 24 hours in the project: the same key and input "
            "returns the first prediction."
        ),
    )
    callback_url: URL | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "Gets `prediction.succeeded`, `.failed` or `.canceled`, signed by Standard Webhooks; retried "
            "over 72 hours."
        ),
    )

    def value(self) -> PredictRequest:
        """Returns the request as the engine takes it."""
        return PredictRequest(
            model=self.model.value((*INPUT, "model")),
            version=self.version.value((*INPUT, "version")) if self.version else None,
            sticky_key=given(self.sticky_key),
            data=self.data.value(),
            wait_ms=self.wait_ms,
            deadline_ms=given(self.deadline_ms),
            on_disconnect=self.on_disconnect,
            explain=given(self.explain),
            metadata=given(self.metadata),
            cache=self.cache,
            idempotency_key=given(self.idempotency_key),
            callback_url=given(self.callback_url),
        )


@object_type
class PredictPayload:
    """The prediction as it was when the wait was over, or why there is none."""

    prediction: Prediction | None = strawberry.field(default=None, description="Null if it was refused.")
    replayed: bool = strawberry.field(
        default=False, description="Whether it is that of an earlier request with the same idempotencyKey."
    )
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why it was refused, every problem at once; else empty."
    )


@input_type
class CancelPredictionInput:
    """A prediction to cancel."""

    id: strawberry.ID = strawberry.field(description="The prediction's global id.")


@object_type
class CancelPredictionPayload:
    """The prediction, CANCELED, or still RUNNING where its process has not answered within two seconds."""

    prediction: Prediction | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why it was not canceled: it was terminal before, or is unknown."
    )
