"""The words of the domain: enums and small immutable values that every layer above the database shares.

The JSON that predictions carry has these shapes (keys as in the GraphQL contract):

input    tabular    {"records": [{…}, …]}
         tensor     {"tensors": [{"name", "datatype", "shape", "data" | "base64"}, …]}
         text       {"prompt": str | "messages": [{"role", "content"}, …], "parameters": {…}}
         embedding  {"texts": [str, …]}
output   tabular    {"results": [{"value"} | {"label", "score", "probabilities": [{"label", "probability"}]}]}
         tensor     {"tensors": [{"name", "datatype", "shape", "data"}, …]}
         text       {"text", "finishReason", "lastSequence"}
         embedding  {"dimensions", "embeddings": [[float, …], …]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from engine.viewers import KeyRequest as KeyRequest
from engine.viewers import Scope as Scope
from engine.viewers import Viewer as Viewer


class ModelTask(StrEnum):
    """What a model does; decides which input it takes and which output it gives."""

    TABULAR_CLASSIFICATION = "TABULAR_CLASSIFICATION"
    TABULAR_REGRESSION = "TABULAR_REGRESSION"
    TENSOR = "TENSOR"
    TEXT_GENERATION = "TEXT_GENERATION"
    EMBEDDING = "EMBEDDING"

    @property
    def member(self) -> str:
        """The member of PredictionDataInput that this task takes."""
        return _MEMBERS[self]


_MEMBERS = {
    ModelTask.TABULAR_CLASSIFICATION: "tabular",
    ModelTask.TABULAR_REGRESSION: "tabular",
    ModelTask.TENSOR: "tensor",
    ModelTask.TEXT_GENERATION: "text",
    ModelTask.EMBEDDING: "embedding",
}


class ServingStatus(StrEnum):
    """Whether a model or version can answer: PENDING → LOADING → READY | FAILED, then DEGRADED, RETIRED."""

    PENDING = "PENDING"
    LOADING = "LOADING"
    READY = "READY"
    DEGRADED = "DEGRADED"
    FAILED = "FAILED"
    RETIRED = "RETIRED"


class BackendKind(StrEnum):
    """What serves a version: a file in this process, or a server that speaks a known protocol."""

    ONNX = "ONNX"
    OPENAI = "OPENAI"
    OPEN_INFERENCE = "OPEN_INFERENCE"


class TensorDatatype(StrEnum):
    """The tensor element types of the Open Inference Protocol v2."""

    BOOL = "BOOL"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    FP16 = "FP16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"


class PredictionStatus(StrEnum):
    """QUEUED → RUNNING → SUCCEEDED | FAILED | CANCELED. A terminal status never changes."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"

    @property
    def is_terminal(self) -> bool:
        """Whether this status never changes again."""
        return self not in (PredictionStatus.QUEUED, PredictionStatus.RUNNING)


class JobStatus(StrEnum):
    """QUEUED → RUNNING ⇄ PAUSED → CANCELING → SUCCEEDED | FAILED | CANCELED | EXPIRED.

    SUCCEEDED says that every item is terminal, not that none failed; FAILED that the job itself broke.
    """

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    CANCELING = "CANCELING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended; only a retry of its failed items begins it again."""
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.PAUSED, JobStatus.CANCELING)


class UsageInterval(StrEnum):
    """How long the buckets of usage are; all begin in UTC."""

    HOUR = "HOUR"
    DAY = "DAY"
    MONTH = "MONTH"


class UsageDimension(StrEnum):
    """What usage can be split by."""

    MODEL = "MODEL"
    MODEL_VERSION = "MODEL_VERSION"
    API_KEY = "API_KEY"
    JOB = "JOB"


class AliasPart(StrEnum):
    """What a prediction was to the alias it was asked by: answered by the arm, by another, or a copy."""

    ARM = "ARM"
    FALLBACK = "FALLBACK"
    SHADOW = "SHADOW"


class CircuitState(StrEnum):
    """Whether a version is asked: CLOSED, yes; OPEN, not for a while; HALF_OPEN, by one call, as a try."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class FinishReason(StrEnum):
    """Why a generation ended."""

    STOP = "STOP"
    LENGTH = "LENGTH"
    CONTENT_FILTER = "CONTENT_FILTER"
    CANCELED = "CANCELED"


class ChatRole(StrEnum):
    """Who says a chat message."""

    SYSTEM = "SYSTEM"
    USER = "USER"
    ASSISTANT = "ASSISTANT"
    TOOL = "TOOL"


class UsageSource(StrEnum):
    """Who counted the tokens: the model's server, our tokenizer, or an estimate from the text's length."""

    PROVIDER = "PROVIDER"
    COUNTED = "COUNTED"
    ESTIMATED = "ESTIMATED"


class ExplanationMethod(StrEnum):
    """How attributions are found: each feature hidden in turn, or revealed in random orders (Shapley)."""

    OCCLUSION = "OCCLUSION"
    PERMUTATION = "PERMUTATION"


class CacheMode(StrEnum):
    """USE reads and writes the cache, REFRESH only writes it, BYPASS does neither."""

    USE = "USE"
    REFRESH = "REFRESH"
    BYPASS = "BYPASS"


class DisconnectPolicy(StrEnum):
    """What happens to a running prediction when the caller who waits for it goes away."""

    DETACH = "DETACH"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model by id or by name; exactly one is set."""

    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class VersionRef:
    """A version of a model by id, by its version string or by an alias; exactly one is set."""

    id: str | None = None
    version: str | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class PredictionData:
    """An input: the member of PredictionDataInput it came in (`"tabular"`, …) and its JSON."""

    member: str
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """What `predict` is asked.

    `wait_ms` is how long the caller waits; `deadline_ms`, counted from acceptance, how long the work
    may take.
    """

    model: ModelRef
    data: PredictionData
    version: VersionRef | None = None
    sticky_key: str | None = None
    wait_ms: int = 10_000
    deadline_ms: int | None = None
    on_disconnect: DisconnectPolicy = DisconnectPolicy.DETACH
    cache: CacheMode = CacheMode.USE
    explain: ExplanationMethod | None = None
    metadata: Any = None
    idempotency_key: str | None = None
    callback_url: str | None = None


@dataclass(frozen=True, slots=True)
class AliasRequest:
    """What `setModelAlias` is asked: everything that the alias is to point at, in the place of what it does.

    Targets have weights, the shadow a rate from 0 to 1. `expected_revision` is the one that the caller
    has read, 0 where there was no alias; None takes any.
    """

    model: ModelRef
    name: str
    targets: tuple[tuple[VersionRef, int], ...]
    shadow: tuple[VersionRef, float] | None = None
    fallbacks: tuple[VersionRef, ...] = ()
    expected_revision: int | None = None


@dataclass(frozen=True, slots=True)
class AliasDeletion:
    """What `deleteModelAlias` is asked; `expected_revision` is the one that was read, None takes any."""

    model: ModelRef
    name: str
    expected_revision: int | None = None


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """The name, element type and shape of one tensor of a version; -1 is a dynamic dimension."""

    name: str
    datatype: TensorDatatype
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a prediction used; None where it does not apply to the task."""

    source: UsageSource
    records: int | None = None
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def tokens(self) -> int:
        """The tokens that were read and written."""
        return (self.input_tokens or 0) + (self.output_tokens or 0)


@dataclass(frozen=True, slots=True)
class NewVersion:
    """What `createModelVersion` is asked; `told` has the names and the form of the registry file.

    `upload_id` is the file of an ONNX backend.
    """

    model: ModelRef
    told: Mapping[str, Any]
    upload_id: str | None = None
    make_default: bool = True
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class BatchItem:
    """An item that came with the request: what to predict from, and its name."""

    custom_id: str | None
    data: PredictionData


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What `submitBatch` is asked: items, or an upload that holds them; exactly one is set."""

    model: ModelRef
    version: VersionRef | None = None
    sticky_key: str | None = None
    items: tuple[BatchItem, ...] | None = None
    upload_id: str | None = None
    name: str | None = None
    priority: int = 5
    max_concurrency: int | None = None
    explain: ExplanationMethod | None = None
    metadata: Any = None
    callback_url: str | None = None
    completion_window_seconds: int = 86_400
    idempotency_key: str | None = None
