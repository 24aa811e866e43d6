"""Every way a request or a prediction can fail, as one short tree.

ForetellError
├── DefinitionError                a registry file is wrong
├── RequestError                   the whole request is refused, before anything ran
│   ├── UnauthenticatedError       UNAUTHENTICATED
│   │   └── UnknownCredentialError
│   ├── ForbiddenError             FORBIDDEN
│   ├── TooManyAttemptsError       RATE_LIMITED
│   └── IssuerAwayError            UNAVAILABLE
├── ExpectedError                  a mutation answers it in its payload's `errors`
│   ├── InvalidInputError          INVALID_INPUT
│   │   └── PayloadTooLargeError   PAYLOAD_TOO_LARGE
│   ├── NotFoundError              NOT_FOUND
│   ├── ConflictError              CONFLICT
│   ├── IdempotencyError
│   │   ├── IdempotencyKeyReusedError    IDEMPOTENCY_KEY_REUSED
│   │   └── IdempotencyInProgressError   IDEMPOTENCY_IN_PROGRESS
│   ├── LimitExceededError
│   │   ├── RateLimitedError       RATE_LIMITED
│   │   └── BudgetExceededError    BUDGET_EXCEEDED
│   │       └── UnpricedError      BUDGET_EXCEEDED
│   ├── UnavailableError
│   │   ├── ModelNotReadyError     MODEL_NOT_READY
│   │   └── ModelOverloadedError   MODEL_OVERLOADED
│   └── ManyErrors                 several of the above at once
└── ProcessingError                a prediction FAILED with it
    ├── ModelError                 MODEL_ERROR
    │   └── ThrottledError         MODEL_OVERLOADED
    ├── ContentFilteredError       CONTENT_FILTERED
    ├── DeadlineError              TIMEOUT
    ├── ExpiredError               EXPIRED
    └── InternalError              INTERNAL

A class's docstring is its default message. Nothing here knows HTTP or GraphQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from inspect import getdoc
from typing import Any, ClassVar

from engine.standing import Budget, RateLimit


class ErrorCode(StrEnum):
    """Why something failed, in one word a program can act on. Treat an unknown code as INTERNAL."""

    INVALID_INPUT = "INVALID_INPUT"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    IDEMPOTENCY_IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
    RATE_LIMITED = "RATE_LIMITED"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    MODEL_NOT_READY = "MODEL_NOT_READY"
    MODEL_OVERLOADED = "MODEL_OVERLOADED"
    MODEL_ERROR = "MODEL_ERROR"
    CONTENT_FILTERED = "CONTENT_FILTERED"
    TIMEOUT = "TIMEOUT"
    EXPIRED = "EXPIRED"
    INTERNAL = "INTERNAL"


class ForetellError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = ErrorCode.INTERNAL
    retryable: bool = False

    def __init__(
        self,
        message: str | None = None,
        *,
        retryable: bool | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.message = message or getdoc(type(self)) or ""
        self.retry_after_seconds = retry_after_seconds
        if retryable is not None:
            self.retryable = retryable
        super().__init__(self.message)


class DefinitionError(ForetellError):
    """A registry file is wrong. The message is one line that names the place."""

    code = ErrorCode.INVALID_INPUT


class RequestError(ForetellError):
    """The request is refused."""


class UnauthenticatedError(RequestError):
    """The API key or token is missing, unknown, expired or revoked."""

    code = "UNAUTHENTICATED"


class UnknownCredentialError(UnauthenticatedError):
    """There is no such API key; somebody may be guessing."""


class ForbiddenError(RequestError):
    """The API key lacks a scope that this field needs."""

    code = "FORBIDDEN"


class TooManyAttemptsError(RequestError):
    """Too many wrong credentials came from this address: wait before you try again."""

    code = ErrorCode.RATE_LIMITED
    retryable = True


class IssuerAwayError(RequestError):
    """The issuer of this token does not answer, so nobody can tell now whether it is valid."""

    code = "UNAVAILABLE"
    retryable = True


class ExpectedError(ForetellError):
    """The request can not be carried out. `path` leads into the arguments, `("input", "data", …)`."""

    def __init__(
        self,
        message: str | None = None,
        *,
        path: Sequence[str | int] | None = None,
        retryable: bool | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable, retry_after_seconds=retry_after_seconds)
        self.path = None if path is None else tuple(str(step) for step in path)


class InvalidInputError(ExpectedError):
    """The input is not valid."""

    code = ErrorCode.INVALID_INPUT

    def __init__(
        self,
        message: str | None = None,
        *,
        path: Sequence[str | int] | None = None,
        constraint: str | None = None,
        received: Any = None,
    ) -> None:
        super().__init__(message, path=path)
        self.constraint = constraint
        self.received = received


class PayloadTooLargeError(InvalidInputError):
    """The input is larger than the limit."""

    code = ErrorCode.PAYLOAD_TOO_LARGE


class NotFoundError(ExpectedError):
    """Nothing of that name or id is visible to this key."""

    code = ErrorCode.NOT_FOUND


class ConflictError(ExpectedError):
    """The object is in a state that does not allow this."""

    code = ErrorCode.CONFLICT

    def __init__(
        self,
        message: str | None = None,
        *,
        path: Sequence[str | int] | None = None,
        retryable: bool | None = None,
        current_revision: int | None = None,
    ) -> None:
        super().__init__(message, path=path, retryable=retryable)
        self.current_revision = current_revision  # where the request expected another


class IdempotencyError(ExpectedError):
    """The idempotency key is already in use."""

    def __init__(
        self,
        message: str | None = None,
        *,
        original_request_id: str,
        path: Sequence[str | int] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, path=path, retry_after_seconds=retry_after_seconds)
        self.original_request_id = original_request_id


class IdempotencyKeyReusedError(IdempotencyError):
    """The idempotency key was used with another input within the last 24 hours."""

    code = ErrorCode.IDEMPOTENCY_KEY_REUSED


class IdempotencyInProgressError(IdempotencyError):
    """The first request with this idempotency key is still running."""

    code = ErrorCode.IDEMPOTENCY_IN_PROGRESS
    retryable = True


class LimitExceededError(ExpectedError):
    """A limit of this key or project is exceeded."""

    retryable = True


class RateLimitedError(LimitExceededError):
    """Too many requests, tokens or concurrent predictions for this key or project."""

    code = ErrorCode.RATE_LIMITED

    def __init__(
        self,
        message: str | None = None,
        *,
        limit: RateLimit | None = None,
        retryable: bool | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable, retry_after_seconds=retry_after_seconds)
        self.limit = limit


class BudgetExceededError(LimitExceededError):
    """The budget of this key or project does not cover the request."""

    code = ErrorCode.BUDGET_EXCEEDED
    retryable = False

    def __init__(
        self,
        message: str | None = None,
        *,
        budget: Budget | None = None,
        retryable: bool | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable, retry_after_seconds=retry_after_seconds)
        self.budget = budget


class UnpricedError(BudgetExceededError):
    """What has no price in the currency of the budget can not be counted against it."""


class UnavailableError(ExpectedError):
    """The model can not answer now."""

    retryable = True

    def __init__(
        self,
        message: str | None = None,
        *,
        status: str | None = None,
        path: Sequence[str | int] | None = None,
        retryable: bool | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, path=path, retryable=retryable, retry_after_seconds=retry_after_seconds)
        self.status = status


class ModelNotReadyError(UnavailableError):
    """The model version is not ready."""

    code = ErrorCode.MODEL_NOT_READY


class ModelOverloadedError(UnavailableError):
    """The model version runs as many predictions as it may."""

    code = ErrorCode.MODEL_OVERLOADED


class ManyErrors(ExpectedError):
    """Several things are wrong with the request."""

    def __init__(self, errors: Sequence[ExpectedError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = tuple(errors)


class ProcessingError(ForetellError):
    """The prediction failed."""


class ModelError(ProcessingError):
    """The model server failed or gave an answer that can not be used."""

    code = ErrorCode.MODEL_ERROR


class ThrottledError(ModelError):
    """The model server has too much to do."""

    code = ErrorCode.MODEL_OVERLOADED
    retryable = True


class ContentFilteredError(ProcessingError):
    """The model server refused the content."""

    code = ErrorCode.CONTENT_FILTERED


class DeadlineError(ProcessingError):
    """The prediction did not finish within its deadline."""

    code = ErrorCode.TIMEOUT
    retryable = True


class ExpiredError(ProcessingError):
    """The job's completion window passed before this item ran."""

    code = ErrorCode.EXPIRED


class InternalError(ProcessingError):
    """Something unexpected went wrong; the request id finds it in the logs."""

    code = ErrorCode.INTERNAL
    retryable = True
