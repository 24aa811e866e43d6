"""Checks: what a batch may ask for, apart from its items."""

from __future__ import annotations

from typing import Any

import orjson

from engine.errors import InvalidInputError
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
        InvalidInputError: a value is out of its limits.
    """
    if request.items is not None and not 1 <= len(request.items) <= MAX_INLINE_ITEMS:
        message = f"A batch has 1 to {MAX_INLINE_ITEMS} inline items; upload more as a file: createUpload."
        _refuse(message, ("source", "items"), f"maxItems: {MAX_INLINE_ITEMS}", len(request.items))
    if request.name is not None and not (1 <= len(request.name) <= MAX_NAME and "\0" not in request.name):
        _refuse(f"A name has 1 to {MAX_NAME} characters.", ("name",), f"maxLength: {MAX_NAME}")
    if request.priority not in PRIORITIES:
        _refuse("The priority is from 0 to 9.", ("priority",), "0 to 9", request.priority)
    limit = request.max_concurrency
    if limit is not None and not 1 <= limit <= MAX_CONCURRENCY:
        message = f"maxConcurrency is from 1 to {MAX_CONCURRENCY}."
        _refuse(message, ("maxConcurrency",), f"1 to {MAX_CONCURRENCY}", limit)
    window = request.completion_window_seconds
    if window not in WINDOW_SECONDS:
        least, most = WINDOW_SECONDS[0], WINDOW_SECONDS[-1]
        message = f"completionWindowSeconds is from {least} to {most}."
        _refuse(message, ("completionWindowSeconds",), f"{least} to {most}", window)
    if request.metadata is not None and len(orjson.dumps(request.metadata)) > MAX_METADATA_BYTES:
        message = f"The metadata takes more than {MAX_METADATA_BYTES} bytes."
        _refuse(message, ("metadata",), f"maxLength: {MAX_METADATA_BYTES}")


def _refuse(message: str, path: tuple[str, ...], constraint: str, received: Any = None) -> None:
    raise InvalidInputError(message, path=("input", *path), constraint=constraint, received=received)
