"""Errors on their way out: the types a payload lists, and the one gate that masks what is unexpected.

A mutation answers what can be expected to go wrong in its payload's `errors`, as `UserError`s. Everything
else reaches the client in the response's `errors`, and only through `present`: with a code, whether trying
again can help, and the request id. What is unexpected becomes INTERNAL: logged whole, nothing of it told.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import strawberry
from graphql import GraphQLError, GraphQLSyntaxError

from db.errors import DatabaseUnavailableError
from engine import errors as engine
from engine.errors import ExpectedError, ForetellError
from schema.budgets import Budget
from schema.enums import ErrorCode, ServingStatus
from schema.rate_limits import RateLimit
from schema.scalars import JSON
from schema.types import object_type

logger = logging.getLogger(__name__)


@strawberry.interface(
    description="An expected failure, one for each problem. Select these fields and every kind is covered."
)
class UserError:
    """What every expected failure has; clients that select only this need no change for a new kind."""

    code: ErrorCode = strawberry.field(description="What a program can act on.")
    message: str = strawberry.field(description="One sentence for a person; its words may change.")
    path: list[str] | None = strawberry.field(
        description='Leads into the arguments: ["input", "data", "tabular", "records", "0", "age"].'
    )
    retryable: bool = strawberry.field(description="Whether the same request can succeed later.")
    retry_after_seconds: float | None = strawberry.field(description="Seconds to wait before trying again.")
    request_id: str = strawberry.field(description="Finds the request in logs and traces.")


@object_type
class InvalidInputError(UserError):
    """The input is not valid."""

    constraint: str | None = strawberry.field(
        default=None, description="The rule that is broken, such as `minimum`."
    )
    received: JSON | None = strawberry.field(default=None, description="The value that broke it.")


@object_type
class NotFoundError(UserError):
    """Nothing of that name or id is visible to this key."""


@object_type
class ConflictError(UserError):
    """The object is in a state that does not allow this."""

    current_revision: int | None = strawberry.field(
        default=None, description="The revision it has, where `expectedRevision` is another; else null."
    )


@object_type
class IdempotencyError(UserError):
    """The idempotency key is in use, by another input or by a request still running."""

    original_request_id: str = strawberry.field(description="The request that used the key first.")


@object_type
class LimitExceededError(UserError):
    """A rate limit or a budget is exceeded."""

    limit: RateLimit | None = strawberry.field(default=None, description="The rate limit, if it is one.")
    budget: Budget | None = strawberry.field(default=None, description="The budget, if it is one.")


@object_type
class UnavailableError(UserError):
    """The model can not answer now."""

    status: ServingStatus | None = strawberry.field(default=None, description="The status it has.")


USER_ERRORS = (
    InvalidInputError,
    NotFoundError,
    ConflictError,
    IdempotencyError,
    LimitExceededError,
    UnavailableError,
)
"""Goes into the schema's `types`: they are reached through the interface only."""


def user_errors(error: ExpectedError, request_id: str) -> list[UserError]:
    """Return what a payload's `errors` lists for `error`, one entry for each problem."""
    if isinstance(error, engine.ManyErrors):
        return [user_error for each in error.errors for user_error in user_errors(each, request_id)]
    common: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "path": None if error.path is None else list(error.path),
        "retryable": error.retryable,
        "retry_after_seconds": error.retry_after_seconds,
        "request_id": request_id,
    }
    match error:
        case engine.InvalidInputError():
            received = None if error.received is None else JSON(error.received)
            return [InvalidInputError(**common, constraint=error.constraint, received=received)]
        case engine.NotFoundError():
            return [NotFoundError(**common)]
        case engine.ConflictError():
            return [ConflictError(**common, current_revision=error.current_revision)]
        case engine.IdempotencyError():
            return [IdempotencyError(**common, original_request_id=error.original_request_id)]
        case engine.RateLimitedError():
            limit = None if error.limit is None else RateLimit.from_value(error.limit)
            return [LimitExceededError(**common, limit=limit)]
        case engine.BudgetExceededError():
            budget = None if error.budget is None else Budget.from_value(error.budget)
            return [LimitExceededError(**common, budget=budget)]
        case engine.LimitExceededError():
            return [LimitExceededError(**common)]
        case engine.UnavailableError():
            status = None if error.status is None else ServingStatus(error.status)
            return [UnavailableError(**common, status=status)]
    raise error


UNAVAILABLE = "The database can not be used just now; try again."
MASKED = "Something unexpected went wrong. The request id finds it in the server's logs."

# What graphql-core ends a message with when the tokens or the nesting were too many.
_ABORTED = "Parsing aborted."
_SUGGESTION = re.compile(r" Did you mean .*?\?(?= |$)", re.DOTALL)


def present(error: GraphQLError, request_id: str, *, suggest: bool = True) -> dict[str, Any]:
    """Return the error as the response shows it: message, locations, path and `extensions`.

    `extensions` holds `code`, `retryable`, `requestId` and, when it is known, `retryAfter` in seconds. An
    error that nobody foresaw is logged with its stack and shown as INTERNAL. Without `suggest` no name of
    the schema is offered in place of a wrong one.
    """
    code, message, retryable, retry_after = _public(error)
    if message is UNAVAILABLE:
        logger.warning(
            "the database can not be used: %s", error.original_error, extra={"request_id": request_id}
        )
    if message is MASKED:
        logger.error("unexpected error", exc_info=error.original_error, extra={"request_id": request_id})
    shown: dict[str, Any] = {"message": message if suggest else _SUGGESTION.sub("", message)}
    if error.locations:
        shown["locations"] = [{"line": where.line, "column": where.column} for where in error.locations]
    if error.path is not None:
        shown["path"] = error.path
    shown["extensions"] = {"code": code, "retryable": retryable, "requestId": request_id}
    if retry_after is not None:
        shown["extensions"]["retryAfter"] = retry_after
    return shown


def code_of(error: GraphQLError) -> str:
    """Return the code that the response shows for an error."""
    return _public(error)[0]


def _public(error: GraphQLError) -> tuple[str, str, bool, float | None]:
    """Return code, message, whether to try again, and after how many seconds."""
    original = _cause(error)
    if isinstance(original, ForetellError):
        code = "BAD_USER_INPUT" if original.code == ErrorCode.INVALID_INPUT else str(original.code)
        return code, original.message, original.retryable, original.retry_after_seconds
    if isinstance(original, DatabaseUnavailableError):
        return "UNAVAILABLE", UNAVAILABLE, True, 1.0
    own_code = _own_code(error)
    if own_code is not None:
        return own_code, error.message, False, None
    return ErrorCode.INTERNAL.value, MASKED, True, None


def _cause(error: GraphQLError) -> BaseException:
    cause: BaseException = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _own_code(error: GraphQLError) -> str | None:
    """Return the code of an error of the request itself; None for one that must not be shown."""
    if isinstance(error, GraphQLSyntaxError):
        aborted = error.message.endswith(_ABORTED)
        return "DOCUMENT_LIMIT_EXCEEDED" if aborted else "GRAPHQL_PARSE_FAILED"
    if code := (error.extensions or {}).get("code"):
        return str(code)
    # Variables are coerced before there is a path; arguments at their field, by an error that points into
    # the document. A result that does not fit its type points nowhere: that one is ours.
    cause = _cause(error)
    if isinstance(cause, GraphQLError) and (error.path is None or (cause is not error and cause.nodes)):
        return "BAD_USER_INPUT"
    return None
