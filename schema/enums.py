"""The engine's enums as GraphQL enums; import them from here, so that they are made before they are used."""

from __future__ import annotations

from engine.errors import ErrorCode
from engine.standing import BudgetWindow, LimitScope, RateLimitKind
from engine.values import (
    BackendKind,
    CacheMode,
    ChatRole,
    CircuitState,
    DisconnectPolicy,
    ExplanationMethod,
    FinishReason,
    JobStatus,
    ModelTask,
    PredictionStatus,
    Scope,
    ServingStatus,
    TensorDatatype,
    UsageDimension,
    UsageInterval,
    UsageSource,
)
from schema.types import enum_type

__all__ = [
    "BackendKind",
    "BudgetWindow",
    "CacheMode",
    "ChatRole",
    "CircuitState",
    "DisconnectPolicy",
    "ErrorCode",
    "ExplanationMethod",
    "FinishReason",
    "JobStatus",
    "LimitScope",
    "ModelTask",
    "PredictionStatus",
    "RateLimitKind",
    "Scope",
    "ServingStatus",
    "TensorDatatype",
    "UsageDimension",
    "UsageInterval",
    "UsageSource",
]

for _enum in (
    BackendKind,
    BudgetWindow,
    CacheMode,
    ChatRole,
    CircuitState,
    DisconnectPolicy,
    ErrorCode,
    ExplanationMethod,
    FinishReason,
    JobStatus,
    LimitScope,
    ModelTask,
    PredictionStatus,
    RateLimitKind,
    Scope,
    ServingStatus,
    TensorDatatype,
    UsageDimension,
    UsageInterval,
    UsageSource,
):
    enum_type(_enum)
