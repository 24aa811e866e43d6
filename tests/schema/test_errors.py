"""The gate for errors: what is shown, what is masked, and what a payload lists."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from graphql import GraphQLError

from engine import errors as engine
from engine.errors import ErrorCode
from engine.values import ServingStatus
from schema import errors
from schema.errors import MASKED, present, user_errors
from tests.foretell.graphql_service import schema


async def shown(query: str, **variables: Any) -> dict[str, Any]:
    result = await schema.execute(query, variables)
    assert result.errors
    return present(result.errors[0], "r1")


async def test_what_nobody_foresaw_is_masked_and_logged_whole(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        error = await shown("{ broken }")

    assert error == {
        "message": MASKED,
        "locations": [{"line": 1, "column": 3}],
        "path": ["broken"],
        "extensions": {"code": "INTERNAL", "retryable": True, "requestId": "r1"},
    }
    (record,) = caplog.records
    assert record.exc_info
    assert "the secret is 42" in str(record.exc_info[1])
    assert record.__dict__["request_id"] == "r1"


@pytest.mark.parametrize("query", ["{ wrongType }", "{ notANumber }"])
async def test_a_value_that_does_not_fit_its_type_is_our_fault(query: str) -> None:
    error = await shown(query)

    assert error["extensions"]["code"] == "INTERNAL"
    assert error["message"] == MASKED


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("{", "GRAPHQL_PARSE_FAILED", "Syntax Error"),
        ("{ hello " + "hello " * 2000 + "}", "DOCUMENT_LIMIT_EXCEEDED", "2000 tokens"),
        ("{a" * 300, "DOCUMENT_LIMIT_EXCEEDED", "nested too deeply"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED", "Cannot query field"),
        ("query ($n: Int!) { items(first: $n) { nodes { name } } }", "BAD_USER_INPUT", "$n"),
        ("{ missing }", "NOT_FOUND", "No such item."),
        ("{ forbidden }", "FORBIDDEN", "lacks a scope"),
    ],
)
async def test_what_the_caller_can_act_on_is_told(query: str, code: str, message: str) -> None:
    error = await shown(query)

    assert error["extensions"]["code"] == code
    assert message in error["message"]


def test_an_engine_error_keeps_its_hints() -> None:
    original = engine.ModelOverloadedError(retry_after_seconds=1.5)

    error = present(GraphQLError("x", path=["predict"], original_error=original), "r1")

    assert error["message"] == "The model version runs as many predictions as it may."
    assert error["extensions"] == {
        "code": "MODEL_OVERLOADED",
        "retryable": True,
        "requestId": "r1",
        "retryAfter": 1.5,
    }


def test_an_engine_error_is_found_however_deep_it_is_wrapped() -> None:
    wrapped = GraphQLError("a", original_error=GraphQLError("b", original_error=engine.ForbiddenError()))

    assert present(wrapped, "r1")["extensions"]["code"] == "FORBIDDEN"


def test_bad_input_to_a_query_is_told_as_such() -> None:
    original = engine.InvalidInputError("Give `first` or `last`.")

    error = present(GraphQLError("x", original_error=original), "r1")

    assert (error["message"], error["extensions"]["code"]) == ("Give `first` or `last`.", "BAD_USER_INPUT")


@pytest.mark.parametrize(
    ("message", "left"),
    [
        (
            "Cannot query field 'a' on type 'Q'. Did you mean 'b' or 'c'?",
            "Cannot query field 'a' on type 'Q'.",
        ),
        ("Unknown type 'X'. Did you mean 'Y'? Or not.", "Unknown type 'X'. Or not."),
        ("Nothing to suggest.", "Nothing to suggest."),
    ],
)
def test_suggestions_can_be_left_out(message: str, left: str) -> None:
    error = GraphQLError(message, extensions={"code": "BAD_USER_INPUT"})

    assert present(error, "r1", suggest=False)["message"] == left
    assert present(error, "r1")["message"] == message


@pytest.mark.parametrize(
    ("error", "kind", "more"),
    [
        (
            engine.InvalidInputError("Too small.", path=["input", 0], constraint="minimum", received=-1),
            errors.InvalidInputError,
            {"path": ["input", "0"], "constraint": "minimum", "received": -1},
        ),
        (engine.PayloadTooLargeError(), errors.InvalidInputError, {"code": ErrorCode.PAYLOAD_TOO_LARGE}),
        (engine.NotFoundError(), errors.NotFoundError, {"path": None, "retryable": False}),
        (engine.ConflictError(), errors.ConflictError, {}),
        (
            engine.IdempotencyKeyReusedError(original_request_id="r0"),
            errors.IdempotencyError,
            {"original_request_id": "r0"},
        ),
        (
            engine.RateLimitedError(retry_after_seconds=2),
            errors.LimitExceededError,
            {"retryable": True, "retry_after_seconds": 2},
        ),
        (engine.BudgetExceededError(), errors.LimitExceededError, {"retryable": False}),
        (
            engine.ModelNotReadyError(status="LOADING"),
            errors.UnavailableError,
            {"status": ServingStatus.LOADING},
        ),
    ],
)
def test_a_payload_lists_what_can_be_expected(
    error: engine.ExpectedError, kind: type[errors.UserError], more: dict[str, Any]
) -> None:
    (listed,) = user_errors(error, "r1")

    assert type(listed) is kind
    assert (listed.code, listed.message, listed.request_id) == (error.code, error.message, "r1")
    assert {name: getattr(listed, name) for name in more} == more


def test_each_of_many_problems_is_listed() -> None:
    several = engine.ManyErrors([engine.NotFoundError(), engine.ManyErrors([engine.ConflictError()])])

    assert [type(error) for error in user_errors(several, "r1")] == [
        errors.NotFoundError,
        errors.ConflictError,
    ]


def test_every_expected_error_has_a_type() -> None:
    def leaves(kind: type[engine.ExpectedError]) -> list[type[engine.ExpectedError]]:
        return [kind] + [leaf for child in kind.__subclasses__() for leaf in leaves(child)]

    concrete = [kind for kind in leaves(engine.ExpectedError) if "code" in vars(kind)]

    for kind in concrete:
        idempotent = issubclass(kind, engine.IdempotencyError)
        needed: dict[str, Any] = {"original_request_id": "r0"} if idempotent else {}
        (listed,) = user_errors(kind(**needed), "r1")
        assert type(listed) in errors.USER_ERRORS
