"""Configs: the form of what an operator says of a backend, checked where it is said and where it is used.

TOML has the names as the classes have them, a stored config has them in camel case.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class ConfigPart(BaseModel):
    """A part of a config; it takes both spellings of a name, and no name that it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )
