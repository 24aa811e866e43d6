"""Resuming: how a subscription takes up where another one was cut."""

from __future__ import annotations

from typing import Annotated

import strawberry

from engine.errors import InvalidInputError

MAX_AFTER = 2**31 - 2
"""The number after it is the last that GraphQL's Int can hold."""

After = Annotated[int, strawberry.argument(description="The last sequence seen; 0 is from the start.")]


def check_after(after: int) -> None:
    """Returns if a stream can be taken up there.

    Raises:
        InvalidInputError: nothing has such a number.
    """
    if not 0 <= after <= MAX_AFTER:
        message = f"`after` is from 0 to {MAX_AFTER}."
        raise InvalidInputError(message, path=("after",), constraint=f"0 to {MAX_AFTER}", received=after)
