"""Retries: when a call is tried again, after how long, and when it would only make an outage worse."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from engine.backends.failures import StalledError
from engine.errors import ProcessingError

MAX_CALLS = 3
FIRST_PAUSE_SECONDS = 0.25
MAX_PAUSE_SECONDS = 10.0

Answer = TypeVar("Answer")


class RetryBudget:
    """Lets as many retries through as a healthy server needs, and few of those that a dead one would get.

    Every call puts in half a retry, every retry takes out one: however long an outage lasts, the
    server gets at most one and a half times the calls, and two. As in Finagle's RetryBudget.
    """

    DEPOSIT = 0.5
    START = 2.0
    CAPACITY = 10.0

    def __init__(self) -> None:
        self._balance = self.START

    def call(self) -> None:
        """Notes a call that is not a retry."""
        self._balance = min(self._balance + self.DEPOSIT, self.CAPACITY)

    def retry(self) -> bool:
        """Takes out a retry; returns False if there is none."""
        if self._balance < 1:
            return False
        self._balance -= 1
        return True


async def retried(budget: RetryBudget, call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Returns what a call answers that is made up to three times, for as long as the budget lasts.

    Raises:
        Exception: what the last one raised.
    """
    budget.call()

    def is_over(state: RetryCallState) -> bool:
        return stop_after_attempt(MAX_CALLS)(state) or not budget.retry()

    retrying = AsyncRetrying(
        retry=retry_if_exception(is_worth_retrying), stop=is_over, wait=_pause, reraise=True
    )
    return await retrying(call)


def is_worth_retrying(error: BaseException) -> bool:
    """Tells whether a call may be made again: not if the first is being paid for, or the wait is long.

    A server that did not answer in time may still be at work; a longer wait is left to the caller, who
    is told of it.
    """
    if not isinstance(error, ProcessingError) or isinstance(error, StalledError):
        return False
    return error.retryable and (error.retry_after_seconds or 0) <= MAX_PAUSE_SECONDS


def pause_seconds(error: BaseException | None, attempt: int) -> float:
    """Returns the wait before the next attempt: as long as the server asks, else twice the last, jittered."""
    if isinstance(error, ProcessingError) and error.retry_after_seconds is not None:
        return error.retry_after_seconds * random.uniform(1.0, 1.1)  # noqa: S311
    return FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return pause_seconds(error, state.attempt_number)
