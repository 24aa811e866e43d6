import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backends.failures import MAX_RETRY_AFTER_SECONDS, StalledError, retry_after
from engine.backends.retries import (
    MAX_CALLS,
    RetryBudget,
    is_worth_retrying,
    pause_seconds,
)
from engine.errors import ContentFilteredError, ModelError


def pause(error: Exception, attempt: int) -> float:
    return pause_seconds(error, attempt)


@given(st.lists(st.booleans(), max_size=200))
def test_the_budget_lets_half_as_many_retries_through_as_calls_and_two(calls: list[bool]) -> None:
    budget, retried = RetryBudget(), 0

    for is_retry in calls:
        if is_retry:
            retried += budget.retry()
        else:
            budget.call()

    assert retried <= calls.count(False) / 2 + 2


def test_a_single_call_may_be_tried_three_times() -> None:
    budget = RetryBudget()
    budget.call()

    assert [budget.retry() for _ in range(MAX_CALLS)] == [True, True, False]


def test_the_budget_recovers_with_calls() -> None:
    budget = RetryBudget()
    while budget.retry():
        pass

    for _ in range(100):
        budget.call()

    assert sum(budget.retry() for _ in range(100)) == RetryBudget.CAPACITY


@pytest.mark.parametrize(
    ("error", "worth"),
    [
        (ModelError(retryable=True), True),
        (ModelError(retryable=True, retry_after_seconds=10), True),
        (ModelError(retryable=True, retry_after_seconds=10.1), False),
        (ModelError(), False),
        (ContentFilteredError(), False),
        (StalledError(), False),
        (ValueError(), False),
    ],
)
def test_only_what_a_short_wait_may_cure_is_tried_again(error: Exception, worth: bool) -> None:
    assert is_worth_retrying(error) is worth


def test_pauses_double_and_no_two_are_the_same() -> None:
    first = [pause(ModelError(retryable=True), 1) for _ in range(50)]
    second = [pause(ModelError(retryable=True), 2) for _ in range(50)]

    assert all(0.125 <= seconds <= 0.375 for seconds in first)
    assert all(0.25 <= seconds <= 0.75 for seconds in second)
    assert len(set(first)) > 40


def test_a_pause_is_never_shorter_than_the_server_asks() -> None:
    error = ModelError(retryable=True, retry_after_seconds=2)

    assert all(2 <= pause(error, attempt) <= 2.2 for attempt in (1, 2) for _ in range(50))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "inf"}, MAX_RETRY_AFTER_SECONDS),
        ({"retry-after": "999999"}, MAX_RETRY_AFTER_SECONDS),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_the_wait_that_a_server_asks_for_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_the_wait_may_be_a_date() -> None:
    headers = {"retry-after": formatdate(time.time() + 30, usegmt=True)}

    assert retry_after(headers) == pytest.approx(30, abs=2)
