"""What is wrong with text that should be JSON, in words for whoever wrote it."""

from __future__ import annotations

import orjson

TOO_DEEP = "depth limit exceeded"
NOT_UTF_8 = "str is not valid UTF-8"


def told_broken(error: orjson.JSONDecodeError, what: str) -> str:
    """Returns a sentence about `what` could not be read, with the place in it where there is one.

    Lines and columns count from 1, columns in characters. A text of one line has no line to name.
    """
    if error.msg.startswith(NOT_UTF_8):  # orjson does not tell where
        return f"{what} is not JSON: it is not UTF-8 text. Is it compressed?"
    place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}, column {error.colno}"
    if error.msg.startswith(TOO_DEEP):
        return f"{what} is nested too deeply to be read ({place})."
    return f"{what} is not JSON: {error.msg} ({place})."
