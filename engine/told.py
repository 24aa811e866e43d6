"""What a client told, brought into the form of the registry file, with every problem at its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from engine.errors import ExpectedError, InvalidInputError, ManyErrors
from engine.plain_words import in_plain_words

SHORT = 200
CONSTRAINTS = {
    "pattern": "pattern",
    "min_length": "minLength",
    "max_length": "maxLength",
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}

Form = TypeVar("Form", bound=BaseModel)


def in_form(form: type[Form], told: Mapping[str, Any], path: Sequence[str | int]) -> Form:
    """Returns what was told as a form; `path` is where it stands in the arguments.

    Raises:
        InvalidInputError, ManyErrors: it does not fit, at one place or at several.
    """
    try:
        return form.model_validate(dict(told))
    except ValidationError as error:
        problems: list[ExpectedError] = [_problem(each, path) for each in error.errors()]
        raise problems[0] if len(problems) == 1 else ManyErrors(problems) from error


def _problem(error: Any, path: Sequence[str | int]) -> InvalidInputError:
    place = [*path, *(to_camel(step) if isinstance(step, str) else step for step in error["loc"])]
    context: Mapping[str, Any] = error.get("ctx") or {}
    rules = [f"{name}: {context[key]}" for key, name in CONSTRAINTS.items() if key in context]
    received = error["input"]
    if isinstance(received, str):
        received = received[:SHORT]
    return InvalidInputError(
        f"{place[-1]}: {in_plain_words(error)}.",
        path=place,
        constraint=rules[0] if rules else error["type"],
        received=received if isinstance(received, str | int | float | bool) else None,
    )
