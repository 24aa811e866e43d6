"""Predictions: their types, from the input to the explanation."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

import strawberry

from db.tables import PredictionRow
from engine.money import from_nanos
from schema.access import NEVER_NULL_ALONE, Info, derived, field
from schema.directives import Cost
from schema.enums import (
    ChatRole,
    ErrorCode,
    ExplanationMethod,
    FinishReason,
    PredictionStatus,
    Scope,
    TensorDatatype,
    UsageSource,
)
from schema.money import Money
from schema.nodes import Node, global_id, node_type, shaped
from schema.scalars import JSON
from schema.types import object_type

if TYPE_CHECKING:
    from schema.jobs import Job
    from schema.keys import ApiKey
    from schema.models import Model, ModelVersion

LARGE = Cost(weight="2")


@object_type
class ProcessingError:
    """Why a prediction FAILED."""

    code: ErrorCode = strawberry.field(description="What a program can act on.")
    message: str = strawberry.field(description="One sentence for a person.")
    retryable: bool = strawberry.field(description="Whether the same prediction can succeed later.")
    retry_after_seconds: float | None = strawberry.field(description="Seconds to wait before trying again.")
    request_id: str = strawberry.field(description="Finds the request in logs and traces.")


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


@object_type
class FeatureAttribution:
    """How much one feature moved the answer."""

    feature: str = strawberry.field(description="The name of the feature.")
    value: float = strawberry.field(description="In units of the answer: probability, or the value's unit.")
    feature_value: JSON | None = strawberry.field(description="What the record had for it.")


@object_type
class RecordExplanation:
    """The explanation of one record's answer."""

    attributions: list[FeatureAttribution] = strawberry.field(
        description="The largest first, in either sign."
    )


@object_type
class Explanation:
    """Why this output: attributions for each feature, the largest first."""

    method: ExplanationMethod = strawberry.field(description="How they were found.")
    baseline: float | None = strawberry.field(description="The answer for the mean record.")
    records: list[RecordExplanation] = strawberry.field(description="One for each record, in the same order.")

    @classmethod
    def from_json(cls, explanation: dict[str, Any]) -> Self:
        """Shapes a stored explanation."""
        return cls(
            method=ExplanationMethod(explanation["method"]),
            baseline=explanation["baseline"],
            records=[
                RecordExplanation(
                    attributions=[
                        FeatureAttribution(
                            feature=each["feature"], value=each["value"], feature_value=each["featureValue"]
                        )
                        for each in record["attributions"]
                    ]
                )
                for record in explanation["records"]
            ],
        )


@object_type
class PredictionUsage:
    """What a prediction used. `cost` is null when the price is unknown."""

    input_tokens: int | None = strawberry.field(description="Tokens read.")
    cached_input_tokens: int | None = strawberry.field(
        description="Those of them that the provider had cached."
    )
    output_tokens: int | None = strawberry.field(description="Tokens written.")
    records: int | None = strawberry.field(description="Records or rows of tensors.")
    source: UsageSource = strawberry.field(description="Who counted.")
    cost: Money | None = strawberry.field(description="By the price that held when it finished.")


@object_type
class PredictionLatency:
    """Where the time went, in milliseconds."""

    queue_ms: float | None = strawberry.field(description="From acceptance to the start.")
    inference_ms: float | None = strawberry.field(description="In the model.")
    time_to_first_token_ms: float | None = strawberry.field(
        description="From acceptance to the first token of a text."
    )
    tokens_per_second: float | None = strawberry.field(
        description="From the first token of a text to its last."
    )
    overhead_ms: float | None = strawberry.field(description="In Foretell: all but the queue and the model.")
    total_ms: float | None = strawberry.field(description="From acceptance to the end.")


@node_type
class Prediction(Node):
    """One question to a model and its answer, kept from acceptance on."""

    row: strawberry.Private[PredictionRow]
    status: PredictionStatus = strawberry.field(description="A terminal status never changes.")
    request_id: str = strawberry.field(description="The same id as in logs, traces and response headers.")
    created_at: datetime = strawberry.field(description="When it was accepted and stored.")
    started_at: datetime | None = strawberry.field(description="When it began to run.")
    finished_at: datetime | None = strawberry.field(description="When it became terminal.")
    cached: bool = strawberry.field(description="Served from the cache: no compute, no cost.")
    attempts: int = strawberry.field(description="Backend calls made, the first included.")
    index: int | None = strawberry.field(description="An item of a job: its place in the source, from 0.")
    custom_id: str | None = strawberry.field(description="An item of a job: its name in the source.")

    @classmethod
    def from_row(cls, row: PredictionRow) -> Self:
        """Shapes a prediction."""
        return cls(
            row=row,
            id=global_id("Prediction", row.id),
            status=PredictionStatus(row.status),
            request_id=row.request_id,
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            cached=row.cached,
            attempts=row.attempts,
            index=row.item_index,
            custom_id=row.custom_id,
        )

    @derived("Whether cancelPrediction can have an effect, and the viewer may use it.")
    def viewer_can_cancel(self, info: Info) -> bool:
        """Tells whether it can still be canceled."""
        return not self.status.is_terminal and Scope.PREDICTIONS_WRITE in info.context.viewer.scopes

    @derived("What the caller attached to it.")
    def metadata(self) -> JSON | None:
        """Returns the metadata."""
        return None if self.row.meta is None else JSON(self.row.meta)

    @field(Scope.MODELS_READ, "The model that was asked.", directives=[NEVER_NULL_ALONE])
    async def model(self, info: Info) -> Annotated[Model, strawberry.lazy("schema.models")] | None:
        """Loads the model."""
        return shaped("Model", await info.context.loaders.model.load(self.row.model_id))

    @field(Scope.MODELS_READ, "The version that answered.", directives=[NEVER_NULL_ALONE])
    async def model_version(
        self, info: Info
    ) -> Annotated[ModelVersion, strawberry.lazy("schema.models")] | None:
        """Loads the version."""
        return shaped("ModelVersion", await info.context.loaders.version.load(self.row.model_version_id))

    @field(Scope.PREDICTIONS_READ, "What was asked; null once purged.", directives=[LARGE])
    async def input(self, info: Info) -> PredictionInputData | None:
        """Loads the input."""
        value = await info.context.loaders.input.load(self.row.id)
        return None if value is None else shape_input(value)

    @field(
        Scope.PREDICTIONS_READ,
        "The answer; null until there is one, and once purged. Of a text that was cut, what there was.",
        directives=[LARGE],
    )
    async def output(self, info: Info) -> PredictionOutput | None:
        """Loads the output."""
        value = await info.context.loaders.output.load(self.row.id)
        return None if value is None else shape_output(value)

    @derived("Set only when FAILED.")
    def error(self) -> ProcessingError | None:
        """Shapes the error."""
        error = self.row.error
        if error is None:
            return None
        return ProcessingError(
            code=ErrorCode(error["code"]),
            message=error["message"],
            retryable=error["retryable"],
            retry_after_seconds=error["retryAfterSeconds"],
            request_id=self.row.request_id,
        )

    @field(
        Scope.PREDICTIONS_READ, "Why this answer; null unless `explain` was asked for.", directives=[LARGE]
    )
    async def explanation(self, info: Info) -> Explanation | None:
        """Loads the explanation."""
        value = await info.context.loaders.explanation.load(self.row.id) if self.row.explain else None
        return None if value is None else Explanation.from_json(value)

    @derived("What it used; null until it is terminal, and where nothing was used.")
    def usage(self) -> PredictionUsage | None:
        """Shapes the usage."""
        row = self.row
        if row.usage_source is None:
            return None
        known = row.cost_nanos is not None and row.currency is not None
        return PredictionUsage(
            input_tokens=row.input_tokens,
            cached_input_tokens=row.cached_input_tokens,
            output_tokens=row.output_tokens,
            records=row.records,
            source=UsageSource(row.usage_source),
            cost=Money(amount=from_nanos(row.cost_nanos or 0), currency=row.currency or "")
            if known
            else None,
        )

    @derived("Where the time went; null until it is terminal.")
    def latency(self) -> PredictionLatency | None:
        """Shapes the latency."""
        row = self.row
        if row.total_ms is None:
            return None
        overhead = max(0.0, row.total_ms - (row.queue_ms or 0.0) - (row.inference_ms or 0.0))
        return PredictionLatency(
            queue_ms=row.queue_ms,
            inference_ms=row.inference_ms,
            time_to_first_token_ms=row.time_to_first_token_ms,
            tokens_per_second=_tokens_per_second(row),
            overhead_ms=overhead,
            total_ms=row.total_ms,
        )

    @field(Scope.JOBS_READ, "The job that it is an item of; null for one that was asked for alone.")
    async def job(self, info: Info) -> Annotated[Job, strawberry.lazy("schema.jobs")] | None:
        """Loads the job."""
        return shaped("Job", self.row.job_id and await info.context.loaders.job.load(self.row.job_id))

    @field(Scope.KEYS_ADMIN, "The key that asked; null for a user's token.")
    async def api_key(self, info: Info) -> Annotated[ApiKey, strawberry.lazy("schema.keys")] | None:
        """Loads the key."""
        if self.row.api_key_id is None:
            return None
        return shaped("ApiKey", await info.context.loaders.api_key.load(self.row.api_key_id))


def _tokens_per_second(row: PredictionRow) -> float | None:
    """Returns the rate at which the tokens after the first one came."""
    first, tokens = row.time_to_first_token_ms, row.output_tokens
    if first is None or tokens is None or tokens < 2 or row.inference_ms is None:
        return None
    seconds = ((row.queue_ms or 0.0) + row.inference_ms - first) / 1000
    return (tokens - 1) / seconds if seconds > 0 else None
