"""Checks: what a batch may ask for, apart from its items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from engine.errors import InvalidInputError
from engine.names import is_title
from engine.together import raise_together
from engine.values import BatchRequest

MAX_INLINE_ITEMS = 1000
MAX_NAME = 200
MAX_METADATA_BYTES = 16 * 1024
PRIORITIES = range(10)
MAX_CONCURRENCY = 1_000_000
WINDOW_SECONDS = range(60, 30 * 86_400 + 1)


def check_request(request: BatchRequest) -> None:
    """Returns if a batch can be asked for like this.

    Raises:
        InvalidInputError, ManyErrors: a value is out of its limits, or several are.
    """
    raise_together(list(_problems(request)))


def _problems(request: BatchRequest) -> Iterator[InvalidInputError]:
    if request.items is not None and not 1 <= len(request.items) <= MAX_INLINE_ITEMS:
        message = f"A batch has 1 to {MAX_INLINE_ITEMS} inline items; upload more as a file: createUpload."
        yield _problem(message, ("source", "items"), f"maxItems: {MAX_INLINE_ITEMS}", len(request.items))
    if request.name is not None and not is_title(request.name, MAX_NAME):
        message = f"A name has 1 to {MAX_NAME} printable characters."
        yield _problem(message, ("name",), f"maxLength: {MAX_NAME}")
    if request.priority not in PRIORITIES:
        yield _problem("The priority is from 0 to 9.", ("priority",), "0 to 9", request.priority)
    limit = request.max_concurrency
    if limit is not None and not 1 <= limit <= MAX_CONCURRENCY:
        message = f"maxConcurrency is from 1 to {MAX_CONCURRENCY}."
        yield _problem(message, ("maxConcurrency",), f"1 to {MAX_CONCURRENCY}", limit)
    window = request.completion_window_seconds
    if window not in WINDOW_SECONDS:
        least, most = WINDOW_SECONDS[0], WINDOW_SECONDS[-1]
        message = f"completionWindowSeconds is from {least} to {most}."
        yield _problem(message, ("completionWindowSeconds",), f"{least} to {most}", window)
    if request.metadata is not None and len(orjson.dumps(request.metadata)) > MAX_METADATA_BYTES:
        message = f"The metadata takes more than {MAX_METADATA_BYTES} bytes."
        yield _problem(message, ("metadata",), f"maxLength: {MAX_METADATA_BYTES}")


def _problem(message: str, path: tuple[str, ...], constraint: str, received: Any = None) -> InvalidInputError:
    return InvalidInputError(message, path=("input", *path), constraint=constraint, received=received)
