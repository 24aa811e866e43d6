"""Where settings come from: FORETELL_* variables over one TOML file over the defaults, read once."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from annotated_types import Ge, Le
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as NotJsonError

from foretell.errors import OperatorError
from foretell.settings import Settings

PREFIX = "FORETELL_"
CONFIG_VARIABLE = "FORETELL_CONFIG"
DEFAULT_CONFIG = Path("foretell.toml")


class SettingsError(OperatorError):
    """A setting is wrong. The message is one line that names it and says what is allowed."""

    exit_code = 2


class _Outside(Settings, BaseSettings):
    """The same settings, filled from the variables first and then from what the TOML file held."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="_",  # FORETELL_DOCUMENT_MAX_DEPTH is max_depth of [document]
        env_nested_max_split=1,
        env_ignore_empty=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


def load_settings() -> Settings:
    """Reads the settings from the environment, and from `FORETELL_CONFIG` or `./foretell.toml`.

    Raises:
        SettingsError: the file can not be read, or a setting is unknown or wrong.
    """
    path = Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)
    try:
        return Settings(**dict(_Outside(**_read_toml(path))))
    except ValidationError as error:
        raise SettingsError("; ".join(_line(problem, path) for problem in error.errors())) from error
    except NotJsonError as error:
        raise SettingsError(f"a group's variable must be a JSON object: {error}") from error


def variable(*path: str) -> str:
    """Returns the name of the variable that holds a setting: `FORETELL_DOCUMENT_MAX_DEPTH`."""
    return PREFIX + "_".join(path).upper()


def fields(model: type[BaseModel] = Settings, *path: str) -> Mapping[tuple[str, ...], FieldInfo]:
    """Returns every setting by its path, `("document", "max_depth")`, groups themselves left out."""
    found: dict[tuple[str, ...], FieldInfo] = {}
    for name, field in model.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            found |= fields(group, *path, name)
        else:
            found[*path, name] = field
    return found


def _read_toml(path: Path) -> dict[str, Any]:
    if not path.exists():
        if os.environ.get(CONFIG_VARIABLE):
            raise SettingsError(f"{CONFIG_VARIABLE}: there is no file {path}")
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error


def _line(problem: Any, path: Path) -> str:
    """Names the setting where its value came from, and never repeats the value: it may be a secret."""
    steps = tuple(str(step) for step in problem["loc"])
    known = fields()
    setting = next((steps[:length] for length in (1, 2) if steps[:length] in known), steps)
    allowed = _allowed(problem, known.get(setting))
    within = steps[len(setting) :]
    if within and _members(known.get(setting)):
        allowed = f"{'.'.join(within)}: {allowed}"
    named = variable(*setting)
    return f"{named}: {allowed}" if named in os.environ else f"{path}: {'.'.join(setting)}: {allowed}"


def _allowed(problem: Any, field: FieldInfo | None) -> str:
    kind = problem["type"]
    if kind == "extra_forbidden":
        members = _members(field)
        return "there is no such setting" + (f"; there are {', '.join(members)}" if members else "")
    if kind.startswith("bool_"):
        return "must be true or false"
    if field is not None and field.annotation in (int, float):
        return _range(field)
    message = str(problem["msg"]).removeprefix("Value error, ")
    return re.sub(r"^(Input|String|Value) should", "must", message)


def _members(field: FieldInfo | None) -> list[str]:
    """Returns what may be set for each name of a setting like `tiers`; nothing for any other setting."""
    forms = get_args(field.annotation) if field is not None else ()
    return [
        name
        for form in forms
        if isinstance(form, type) and issubclass(form, BaseModel)
        for name in form.model_fields
    ]


def _range(field: FieldInfo) -> str:
    least = next((rule.ge for rule in field.metadata if isinstance(rule, Ge)), None)
    most = next((rule.le for rule in field.metadata if isinstance(rule, Le)), None)
    number = "a whole number" if field.annotation is int else "a number"
    if most is None:
        return f"must be {number}, {least} or more"
    return f"must be {number} from {least} to {most}"
