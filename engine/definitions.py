"""Definitions: the TOML form of models, in which an operator says what to serve.

The file of the embedded models, `foretell/embedded/models.toml`, is an example of most parts. A model
behind a server that speaks OpenAI's API has a backend like

    backend = { kind = "OPENAI", base_url = "https://…/v1", model = "…", api_key_env = "MY_KEY" }
"""

from __future__ import annotations

import json
import tomllib
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from db.types import storable
from engine.backends.configs import ConfigPart
from engine.backends.oip.config import OpenInferenceConfig
from engine.backends.openai.config import OpenAIConfig
from engine.errors import DefinitionError
from engine.money import to_nanos
from engine.names import ALIAS_NAME, CURRENCY, NAME, SHA256, VERSION
from engine.plain_words import problems
from engine.values import BackendKind, ModelTask

JsonOrPath = dict[str, Any] | str


def _to_the_millisecond(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _in_nanos(amount: Decimal) -> Decimal:
    to_nanos(amount)
    return amount


def _storable(text: str) -> str:
    if not storable(text) or (not text.isprintable() and not text.replace("\n", "").isprintable()):
        raise ValueError("must have printable characters only")
    return text


Moment = Annotated[AwareDatetime, AfterValidator(_to_the_millisecond)]
"""A time, cut to the millisecond that the database keeps."""

Amount = Annotated[Decimal, Field(ge=0, le=10**9), AfterValidator(_in_nanos)]
"""Money in units of the currency, with at most nine decimals."""


Text = Annotated[str, AfterValidator(_storable)]
"""A text for people; it may have line breaks."""

Label = Annotated[Text, Field(max_length=200)]
Tag = Annotated[Text, Field(min_length=1, max_length=50)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BackendDefinition(BaseModel):
    """What serves a version: its kind, and what that kind is told, see `CONFIGS`.

    Paths are relative to the registry file.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: BackendKind
    path: str | None = None
    sha256: Annotated[str, Field(pattern=SHA256)] | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> BackendDefinition:
        try:
            self.config()
        except ValidationError as error:
            raise ValueError(problems(error)) from error
        return self

    def config(self) -> dict[str, Any]:
        """Returns what the kind is told, as a version's config has it.

        Raises:
            ValidationError: the kind can not be told this.
        """
        told = self.model_dump(exclude={"kind"}, exclude_none=True)
        form = CONFIGS[self.kind].model_validate(told)
        return form.model_dump(mode="json", by_alias=True, exclude_unset=True)


class OnnxConfig(ConfigPart):
    """A file; without `sha256` whatever it holds is served. One that was uploaded is registered without."""

    path: str | None = None
    sha256: str | None = None


CONFIGS: dict[BackendKind, type[ConfigPart]] = {
    BackendKind.ONNX: OnnxConfig,
    BackendKind.OPENAI: OpenAIConfig,
    BackendKind.OPEN_INFERENCE: OpenInferenceConfig,
}


class PriceDefinition(_Part):
    """What a version costs; an amount that is left out is unknown, not free.

    It holds from `valid_from` on, or from when it is applied. Naming the time of a price that is there
    corrects it, for `foretell usage reprice`.
    """

    valid_from: Moment | None = None
    currency: Annotated[str, Field(pattern=CURRENCY)] = "USD"
    input_per_million_tokens: Amount | None = None
    cached_input_per_million_tokens: Amount | None = None
    output_per_million_tokens: Amount | None = None
    per_prediction: Amount | None = None


class VersionDefinition(_Part):
    """One version of a model.

    `baseline` is each feature's training mean, for explanations; `tokenizer` and `config` are the
    files of a text model (behind a server, `tokenizer` counts what the server does not);
    `max_tokens` is the most that one generation may be asked for; `max_concurrency` is how many predictions
    run at once in each process, and `max_queue` how many wait for their turn there.
    """

    version: Annotated[str, Field(pattern=VERSION)]
    backend: BackendDefinition
    labels: Annotated[list[Label], Field(min_length=1, max_length=10_000)] | None = None
    input_schema: JsonOrPath | None = None
    baseline: JsonOrPath | None = None
    tokenizer: str | None = None
    config: str | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    max_batch_size: Annotated[int, Field(ge=1, le=10_000)] | None = None
    max_batch_delay_ms: Annotated[float, Field(ge=0, le=1000)] | None = None
    max_concurrency: Annotated[int, Field(ge=1, le=10_000)] | None = None
    max_queue: Annotated[int, Field(ge=0, le=100_000)] | None = None
    price: PriceDefinition | None = None


class AliasTargetDefinition(_Part):
    """A version that an alias leads to, and its weight."""

    version: str
    weight: Annotated[int, Field(ge=0, le=10_000)] = 1


class ShadowDefinition(_Part):
    """A version that gets copies of this part of the predictions."""

    version: str
    sample_rate: Annotated[float, Field(gt=0, le=1)]


class AliasDefinition(_Part):
    """A movable name for versions of a model, for every project; it is moved as a whole.

    Several targets are an A/B split; `fallbacks` stand in, in their order.
    """

    name: Annotated[str, Field(pattern=ALIAS_NAME)]
    targets: Annotated[list[AliasTargetDefinition], Field(min_length=1, max_length=10)]
    shadow: ShadowDefinition | None = None
    fallbacks: Annotated[list[str], Field(max_length=10)] = []

    @model_validator(mode="after")
    def _leads_somewhere(self) -> AliasDefinition:
        targets = [target.version for target in self.targets]
        if not any(target.weight for target in self.targets):
            raise ValueError("one target at least has a weight above 0")
        if len(set(targets)) < len(targets) or len(set(self.fallbacks)) < len(self.fallbacks):
            raise ValueError("a version stands in the targets, and in the fallbacks, once")
        if self.shadow is not None and self.shadow.version in targets:
            raise ValueError("the shadow is a version that is no target")
        return self


class ModelDefinition(_Part):
    """A model with its versions, oldest first; the last one is the default."""

    name: Annotated[str, Field(pattern=NAME)]
    display_name: Annotated[Text, Field(min_length=1, max_length=200)]
    task: ModelTask
    description: Annotated[Text, Field(max_length=10_000)] | None = None
    tags: Annotated[list[Tag], Field(max_length=50)] = []
    versions: list[VersionDefinition] = []
    aliases: list[AliasDefinition] = []


class _File(_Part):
    models: list[ModelDefinition] = []


def read_definitions(path: Path) -> list[ModelDefinition]:
    """Reads a registry file; what it names by path is read in, and its own paths become absolute.

    Raises:
        DefinitionError: the file, or one it names, is missing or wrong.
    """
    try:
        file = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DefinitionError(f"{path}: {error}") from error
    except ValidationError as error:
        raise DefinitionError(f"{path}: {problems(error)}") from error
    return [
        model.model_copy(update={"versions": [_resolved(version, path.parent) for version in model.versions]})
        for model in file.models
    ]


def _resolved(version: VersionDefinition, folder: Path) -> VersionDefinition:
    def absolute(path: str | None) -> str | None:
        return None if path is None else str((folder / path).resolve())

    backend = version.backend.model_copy(update={"path": absolute(version.backend.path)})
    return version.model_copy(
        update={
            "backend": backend,
            "tokenizer": absolute(version.tokenizer),
            "config": absolute(version.config),
            "input_schema": _read_json(version.input_schema, folder),
            "baseline": _read_json(version.baseline, folder),
        }
    )


def _read_json(value: JsonOrPath | None, folder: Path) -> Any:
    if not isinstance(value, str):
        return value
    path = folder / value
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DefinitionError(f"{path}: {error}") from error
    if not isinstance(found, dict):
        raise DefinitionError(f"{path}: this is not a JSON object")
    return found
