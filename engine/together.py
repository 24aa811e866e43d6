"""Telling all that is wrong at once, so that nobody mends one thing to be told the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from engine.errors import ExpectedError, ManyErrors


def raise_together(problems: Sequence[ExpectedError]) -> None:
    """Returns if there is no problem.

    Raises:
        ExpectedError: the one there is.
        ManyErrors: those there are.
    """
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ManyErrors(problems)


def check_together(checks: Iterable[Callable[[], None]]) -> None:
    """Runs every check, those after one that fails too.

    Raises:
        ExpectedError, ManyErrors: what the checks raised.
    """
    problems: list[ExpectedError] = []
    for check in checks:
        try:
            check()
        except ExpectedError as error:
            problems.append(error)
    raise_together(problems)
