"""The inputs by which a project registers models, versions and prices, as the registry file says them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry

from engine.values import NewVersion
from schema.backend_inputs import BackendInput, told
from schema.enums import ModelTask
from schema.models import ModelRefInput, ModelVersionRefInput
from schema.scalars import JSON
from schema.types import given, input_type

INPUT = ("input",)


@input_type
class PriceInput:
    """What a version costs from a time on. An amount that is left out is unknown, never free."""

    currency: str = strawberry.field(default="USD", description="ISO 4217: three capital letters.")
    input_per_million_tokens: Decimal | None = strawberry.field(
        default=strawberry.UNSET, description="For a million input tokens; 0 to 1000000000, nine decimals."
    )
    cached_input_per_million_tokens: Decimal | None = strawberry.field(
        default=strawberry.UNSET,
        description="For a million input tokens that the provider had cached; as fresh ones if left out.",
    )
    output_per_million_tokens: Decimal | None = strawberry.field(
        default=strawberry.UNSET, description="For a million output tokens; likewise."
    )
    per_prediction: Decimal | None = strawberry.field(
        default=strawberry.UNSET, description="For each prediction, whatever its size; likewise."
    )
    valid_from: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="When it begins: now, if left out, or later."
    )

    def value(self) -> dict[str, Any]:
        """Returns the price as the registry file has it."""
        return told(
            currency=self.currency,
            input_per_million_tokens=self.input_per_million_tokens,
            cached_input_per_million_tokens=self.cached_input_per_million_tokens,
            output_per_million_tokens=self.output_per_million_tokens,
            per_prediction=self.per_prediction,
            valid_from=self.valid_from,
        )


@input_type
class RegisterModelInput:
    """A new model of the viewer's project."""

    name: str = strawberry.field(
        description="1 to 100 of `a-z`, `0-9`, `.`, `-` and `_`, unique in the project. It may be the name "
        "of an operator's model, which it then hides from the project."
    )
    display_name: str = strawberry.field(description="Its name for people; 1 to 200 characters.")
    task: ModelTask = strawberry.field(description="What it does; does not change.")
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="What it does and for whom; at most 10000 characters."
    )
    tags: list[str] = strawberry.field(
        default_factory=list, description="Words to find it by; at most 50, of 1 to 50 characters."
    )

    def value(self) -> dict[str, Any]:
        """Returns the model as the registry file has it."""
        return told(
            name=self.name,
            display_name=self.display_name,
            task=self.task,
            description=self.description,
            tags=self.tags,
        )


@input_type
class UpdateModelInput:
    """What changes of a model; what is left out stays."""

    model: ModelRefInput = strawberry.field(description="A model of the viewer's project.")
    display_name: str | None = strawberry.field(
        default=strawberry.UNSET, description="Its name for people; 1 to 200 characters."
    )
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="At most 10000 characters; null takes it away."
    )
    tags: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="All of its tags from now on; at most 50."
    )
    default_version: ModelVersionRefInput | None = strawberry.field(
        default=strawberry.UNSET, description="The version that answers where a request names none."
    )

    def value(self) -> dict[str, Any]:
        """Returns the changes by the names of the registry file, and `default_version` as a reference."""
        changes = told(display_name=self.display_name, tags=self.tags)
        if self.description is not strawberry.UNSET:
            changes["description"] = self.description
        if self.default_version:
            changes["default_version"] = self.default_version.value((*INPUT, "defaultVersion"))
        return changes


@input_type
class DeleteModelInput:
    """A model to delete."""

    model: ModelRefInput = strawberry.field(description="A model of the viewer's project.")


@input_type
class CreateModelVersionInput:
    """A new version of a model of the viewer's project."""

    model: ModelRefInput = strawberry.field(description="The model.")
    version: str = strawberry.field(
        description="Unique in the model, never used again: 1 to 64 letters, digits, `.`, `-`, `_` and `+`."
    )
    backend: BackendInput = strawberry.field(description="What serves it.")
    labels: list[str] | None = strawberry.field(
        default=strawberry.UNSET,
        description="The classes, in the order of the model's scores; TABULAR_CLASSIFICATION needs them.",
    )
    input_schema: JSON | None = strawberry.field(
        default=strawberry.UNSET,
        description="JSON Schema of one record, whose `properties` are the features in the model's order; "
        "tabular tasks need it. At most 64 KiB, without references.",
    )
    baseline: JSON | None = strawberry.field(
        default=strawberry.UNSET,
        description="The mean of each feature in training, as an object, for explanations.",
    )
    max_tokens: int | None = strawberry.field(
        default=strawberry.UNSET, description="The most that one generation may be asked for: 1 to 1000000."
    )
    max_batch_size: int | None = strawberry.field(
        default=strawberry.UNSET, description="Rows that run in one call at most: 1 to 10000."
    )
    max_batch_delay_ms: float | None = strawberry.field(
        default=strawberry.UNSET, description="How long a crowd of calls may wait to share one: 0 to 1000."
    )
    max_concurrency: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="Predictions that run at once in each process: 1 to 10000. Any number if left out.",
    )
    max_queue: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="Predictions that wait in each process for their turn: 0 to 100000, 100 if left out. One "
        "more is refused with MODEL_OVERLOADED.",
    )
    price: PriceInput | None = strawberry.field(
        default=strawberry.UNSET, description="What it costs; unknown if left out."
    )
    make_default: bool = strawberry.field(
        default=True, description="Whether it answers requests that name no version as soon as it is READY."
    )
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="1 to 128 printable ASCII characters, kept for 24 hours in the project: the same key and "
        "input returns the first version.",
    )

    def value(self) -> NewVersion:
        """Returns the request as the engine takes it."""
        return NewVersion(
            model=self.model.value((*INPUT, "model")),
            told=told(
                version=self.version,
                backend=self.backend.value(),
                labels=self.labels,
                input_schema=self.input_schema,
                baseline=self.baseline,
                max_tokens=self.max_tokens,
                max_batch_size=self.max_batch_size,
                max_batch_delay_ms=self.max_batch_delay_ms,
                max_concurrency=self.max_concurrency,
                max_queue=self.max_queue,
                price=self.price.value() if self.price else None,
            ),
            upload_id=self.backend.upload((*INPUT, "backend")),
            make_default=self.make_default,
            idempotency_key=given(self.idempotency_key),
        )


@input_type
class RetireModelVersionInput:
    """A version to retire."""

    id: strawberry.ID = strawberry.field(description="The version's global id.")


@input_type
class SetModelVersionPriceInput:
    """A price, and the version that it is of."""

    id: strawberry.ID = strawberry.field(description="The version's global id.")
    price: PriceInput = strawberry.field(description="What it costs from `validFrom` on.")
