"""Configs: the form of what an operator says of a backend, checked where it is said and where it is used.

TOML has the names as the classes have them, a stored config has them in camel case.
"""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel


class ConfigPart(BaseModel):
    """A part of a config; it takes both spellings of a name, and no name that it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


def first_problem(error: ValidationError) -> str:
    """Returns the first thing that is wrong, and where, without the value that it has."""
    first = error.errors(include_input=False, include_context=False)[0]
    message = re.sub(r"^Value error, ", "", first["msg"])
    place = ".".join(str(step) for step in first["loc"])
    return f"{place}: {message}" if place else message
