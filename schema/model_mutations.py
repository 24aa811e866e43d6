"""ModelMutations: the mutations by which a project registers, changes and ends models of its own."""

from __future__ import annotations

from typing import Annotated

import strawberry

from resolvers import models as resolvers
from schema.access import Info, mutation
from schema.answering import answering
from schema.directives import Cost
from schema.enums import Scope
from schema.errors import UserError
from schema.model_inputs import (
    CreateModelVersionInput,
    DeleteModelInput,
    RegisterModelInput,
    RetireModelVersionInput,
    SetModelVersionPriceInput,
    UpdateModelInput,
)
from schema.models import Model, ModelVersion
from schema.nodes import row_id
from schema.types import object_type

ID = ("input", "id")
REFUSED = "Why it was refused, every problem at once; else empty."


@object_type
class RegisterModelPayload:
    """The model, without versions; or why there is none."""

    model: Model | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(default_factory=list, description=REFUSED)


@object_type
class UpdateModelPayload:
    """The model as it is now."""

    model: Model | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(default_factory=list, description=REFUSED)


@object_type
class DeleteModelPayload:
    """The model as it was deleted; its id still leads to it."""

    model: Model | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(default_factory=list, description=REFUSED)


@object_type
class CreateModelVersionPayload:
    """The version, which loads from now on; or everything that is wrong with it."""

    model_version: ModelVersion | None = strawberry.field(default=None, description="Null if it was refused.")
    replayed: bool = strawberry.field(
        default=False, description="Whether an earlier request with the same idempotencyKey made it."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description=REFUSED)


@object_type
class RetireModelVersionPayload:
    """The version, RETIRED."""

    model_version: ModelVersion | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(default_factory=list, description=REFUSED)


@object_type
class SetModelVersionPricePayload:
    """The version with its prices."""

    model_version: ModelVersion | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(default_factory=list, description=REFUSED)


@strawberry.type(description="What can be done with models.")
class ModelMutations:
    """The part of the mutation root that is about models."""

    @mutation(
        Scope.MODELS_WRITE,
        "Registers a model of the viewer's project. The name of a deleted one brings that back, with its "
        "history and without its versions.",
    )
    @answering(RegisterModelPayload)
    async def register_model(
        self,
        info: Info,
        input: Annotated[RegisterModelInput, strawberry.argument(description="What the model is.")],
    ) -> RegisterModelPayload:
        """Registers a model."""
        return RegisterModelPayload(
            model=Model.from_row(await resolvers.register(info.context, input.value()))
        )

    @mutation(Scope.MODELS_WRITE, "Changes what a model is called, or which version is its default one.")
    @answering(UpdateModelPayload)
    async def update_model(
        self,
        info: Info,
        input: Annotated[UpdateModelInput, strawberry.argument(description="What changes.")],
    ) -> UpdateModelPayload:
        """Changes a model."""
        ref = input.model.value(("input", "model"))
        return UpdateModelPayload(
            model=Model.from_row(await resolvers.update(info.context, ref, input.value()))
        )

    @mutation(
        Scope.MODELS_WRITE,
        "Takes a model out of service and out of every list, with all its versions. What runs ends; "
        "predictions, jobs and usage stay and lead to it.",
    )
    @answering(DeleteModelPayload)
    async def delete_model(
        self,
        info: Info,
        input: Annotated[DeleteModelInput, strawberry.argument(description="Which model.")],
    ) -> DeleteModelPayload:
        """Deletes a model."""
        ref = input.model.value(("input", "model"))
        return DeleteModelPayload(model=Model.from_row(await resolvers.delete(info.context, ref)))

    @mutation(
        Scope.MODELS_WRITE,
        "Registers a version, PENDING; every process loads it: LOADING, then READY or FAILED with a reason. "
        "Versions do not change.",
        directives=[Cost(weight="10")],
    )
    @answering(CreateModelVersionPayload)
    async def create_model_version(
        self,
        info: Info,
        input: Annotated[CreateModelVersionInput, strawberry.argument(description="What the version is.")],
    ) -> CreateModelVersionPayload:
        """Registers a version."""
        row, replayed = await resolvers.create_version(info.context, input.value())
        return CreateModelVersionPayload(model_version=ModelVersion.from_row(row), replayed=replayed)

    @mutation(
        Scope.MODELS_WRITE,
        "Takes a version out of service for good; what runs on it ends. If it was the default one, the "
        "newest that is READY takes its place.",
    )
    @answering(RetireModelVersionPayload)
    async def retire_model_version(
        self,
        info: Info,
        input: Annotated[RetireModelVersionInput, strawberry.argument(description="Which version.")],
    ) -> RetireModelVersionPayload:
        """Retires a version."""
        row = await resolvers.retire_version(info.context, row_id(input.id, "ModelVersion", path=ID))
        return RetireModelVersionPayload(model_version=ModelVersion.from_row(row))

    @mutation(
        Scope.MODELS_WRITE,
        "Sets what a version costs from now, or a later time, on. What has ended keeps the cost that it had.",
    )
    @answering(SetModelVersionPricePayload)
    async def set_model_version_price(
        self,
        info: Info,
        input: Annotated[SetModelVersionPriceInput, strawberry.argument(description="The price.")],
    ) -> SetModelVersionPricePayload:
        """Sets a price."""
        version_id = row_id(input.id, "ModelVersion", path=ID)
        row = await resolvers.set_price(info.context, version_id, input.price.value())
        return SetModelVersionPricePayload(model_version=ModelVersion.from_row(row))
