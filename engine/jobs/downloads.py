"""Downloads: a job's results as JSON Lines, in the order of its source, while it runs and after.

    {"index": 0, "customId": "a", "id": "…", "status": "SUCCEEDED", "attempts": 1,
     "output": {…}, "error": null, "explanation": null}

`output`, `error` and `explanation` are as in `engine.values`. An item that has not ended has no line.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import orjson

from db.queries import items as queries
from db.session import Database
from engine.ids import global_id

PAGE = 500


def results_path(job_id: str) -> str:
    """Returns the path of a job's results under the server's address."""
    return f"/jobs/{job_id}/results.jsonl"


async def result_lines(database: Database, job_id: str) -> AsyncGenerator[bytes, None]:
    """Yields the results a page at a time, and holds no connection in between.

    Raises:
        DatabaseUnavailableError: there is more, but it can not be read.
    """
    index = 0
    while True:
        async with database.read() as connection:
            rows = await queries.results_from(connection, job_id, index, PAGE)
        if rows:
            yield b"".join(map(_line, rows))
        if len(rows) < PAGE:
            return
        index = rows[-1].item_index + 1


def _line(row: Any) -> bytes:
    shown = {
        "index": row.item_index,
        "customId": row.custom_id,
        "id": global_id("Prediction", row.id),
        "status": row.status,
        "attempts": row.attempts,
        "output": _as_it_is(row.output),
        "error": _as_it_is(row.error),
        "explanation": _as_it_is(row.explanation),
    }
    return orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)


def _as_it_is(text: str | None) -> orjson.Fragment | None:
    return None if text is None else orjson.Fragment(text)
