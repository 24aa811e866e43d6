"""What is said of a form that was not filled in right."""

from __future__ import annotations

from typing import Any

import pytest

from engine.definitions import ModelDefinition
from engine.errors import InvalidInputError
from engine.plain_words import PATTERNS
from engine.told import in_form


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"name": "My Model"}, "name: must be 1 to 100 lower-case letters, digits, dots, dashes and"),
        ({"displayName": ""}, "displayName: must have at least 1 character."),
        ({"tags": ["a"] * 51}, "tags: must have at most 50 items."),
        ({"tags": "a"}, "tags: must be a list, […]."),
        ({"tag": "a"}, "tag: is not permitted: there is no such member."),
        ({"displayName": None}, 'displayName: must be a string, "…".'),
    ],
)
def test_what_is_wrong_is_said_with_what_is_allowed(told: dict[str, Any], said: str) -> None:
    given = {"name": "mine", "displayName": "Mine", "task": "TENSOR", **told}
    fields = {{"displayName": "display_name"}.get(name, name): value for name, value in given.items()}

    with pytest.raises(InvalidInputError) as refused:
        in_form(ModelDefinition, fields, ("input",))

    assert refused.value.message.startswith(said)


@pytest.mark.parametrize("words", PATTERNS.values())
def test_no_pattern_is_told_as_a_pattern(words: str) -> None:
    assert words.startswith("must be ")
    assert "^" not in words
