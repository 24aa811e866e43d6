"""What pydantic found wrong, in plain words with what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from engine.names import ALIAS_NAME, CURRENCY, NAME, SHA256, VERSION

SAID = {
    "dict_type": "must be a JSON object, {…}",
    "extra_forbidden": "is not permitted: there is no such member",
    "list_type": "must be a list, […]",
    "missing": "is required",
    "string_type": 'must be a string, "…"',
}
_NAME = "lower-case letters, digits, dots, dashes and underscores, a letter or digit first and last"
PATTERNS = {
    ALIAS_NAME: f'must be 1 to 64 {_NAME}, such as "stable-2"',
    CURRENCY: 'must be three capital letters, such as "USD"',
    NAME: f'must be 1 to 100 {_NAME}, such as "house-prices"',
    SHA256: "must be 64 hexadecimal digits in lower case",
    VERSION: (
        "must be 1 to 64 letters, digits, dots, dashes, underscores and plus signs, a letter or digit first, "
        'such as "1.0"'
    ),
}


def problems(error: ValidationError) -> str:
    """Returns all that is wrong, each with its place, without the values that were given."""
    return "; ".join(
        f"{_place(each['loc'])}: {in_plain_words(each)}" if each["loc"] else in_plain_words(each)
        for each in error.errors()
    )


def _place(steps: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def in_plain_words(problem: Mapping[str, Any]) -> str:
    """Returns what is wrong, one of `ValidationError.errors()`, without its place and its last full stop."""
    kind, context = problem["type"], problem.get("ctx") or {}
    if kind in SAID:
        return SAID[kind]
    if kind == "string_pattern_mismatch" and context["pattern"] in PATTERNS:
        return PATTERNS[context["pattern"]]
    for rule, bound in (("min_length", "at least"), ("max_length", "at most")):
        if rule in context:
            noun = "character" if isinstance(problem["input"], str) else "item"
            return f"must have {bound} {context[rule]} {noun}{'' if context[rule] == 1 else 's'}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return re.sub(r"^(Input|String|Value) should", "must", message)
