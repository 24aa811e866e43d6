"""AliasMutations: moving and deleting an alias, with inputs and payloads."""

from __future__ import annotations

from typing import Annotated

import strawberry

from engine.values import AliasDeletion, AliasRequest
from resolvers import aliases as resolvers
from schema.access import Info, mutation
from schema.aliases import ModelAlias
from schema.answering import answering
from schema.enums import Scope
from schema.errors import UserError
from schema.models import ModelRefInput, VersionRefInput
from schema.types import given, input_type, object_type

INPUT = ("input",)


@input_type
class AliasTargetInput:
    """A version to lead to."""

    version: VersionRefInput = strawberry.field(description="Which version of the model.")
    weight: int = strawberry.field(
        default=1, description="Its share is this over the sum of all weights; 0 to 10000."
    )


@input_type
class ShadowTargetInput:
    """A version to get copies of predictions."""

    version: VersionRefInput = strawberry.field(description="Which version of the model; no target.")
    sample_rate: float = strawberry.field(
        description="The part of the predictions to copy; above 0, at most 1."
    )


@input_type
class SetModelAliasInput:
    """Where an alias is to point. It is moved as a whole: what is left out here it has no more."""

    model: ModelRefInput = strawberry.field(description="The model.")
    name: str = strawberry.field(
        description="1 to 64 of a-z, 0-9, `.`, `_` and `-`, not at the ends; `default` is for requests that "
        "name neither version nor alias."
    )
    targets: list[AliasTargetInput] = strawberry.field(
        description="1 to 10 versions, one of them at least with a weight above 0."
    )
    shadow: ShadowTargetInput | None = strawberry.field(
        default=strawberry.UNSET, description="Who gets copies in the background; nobody if left out."
    )
    fallbacks: list[VersionRefInput] = strawberry.field(
        default_factory=list, description="What stands in, in this order; at most 10 versions."
    )
    expected_revision: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="The revision that was read, 0 for none or a deleted one: at another one it is a "
        "CONFLICT, which tells the current one. Any if left out.",
    )

    def value(self) -> AliasRequest:
        """Returns the request as the engine takes it."""
        shadow = self.shadow or None
        return AliasRequest(
            model=self.model.value((*INPUT, "model")),
            name=self.name,
            targets=tuple(
                (each.version.value((*INPUT, "targets", str(at), "version")), each.weight)
                for at, each in enumerate(self.targets)
            ),
            shadow=None
            if shadow is None
            else (shadow.version.value((*INPUT, "shadow", "version")), shadow.sample_rate),
            fallbacks=tuple(
                each.value((*INPUT, "fallbacks", str(at))) for at, each in enumerate(self.fallbacks)
            ),
            expected_revision=given(self.expected_revision),
        )


@object_type
class SetModelAliasPayload:
    """The alias as it is now."""

    alias: ModelAlias | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why it was not moved, every problem at once; else empty."
    )


@input_type
class DeleteModelAliasInput:
    """Which alias is to be deleted."""

    model: ModelRefInput = strawberry.field(description="The model.")
    name: str = strawberry.field(description="The name of an alias of the project.")
    expected_revision: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="The revision that was read: at another one it is a CONFLICT, which tells the current "
        "one. Any if left out.",
    )

    def value(self) -> AliasDeletion:
        """Returns the request as the engine takes it."""
        return AliasDeletion(self.model.value((*INPUT, "model")), self.name, given(self.expected_revision))


@object_type
class DeleteModelAliasPayload:
    """The alias as it was deleted; its id still leads to it."""

    alias: ModelAlias | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why it was not deleted; else empty."
    )


@strawberry.type(description="What can be done with aliases.")
class AliasMutations:
    """The part of the mutation root that is about aliases."""

    @mutation(
        Scope.MODELS_WRITE,
        "Makes an alias of the project, or moves it, at once for all requests that come after; one that "
        "points there already stays as it is. A job keeps to what its alias was when it was submitted. The "
        "name of a deleted one brings that back, with its history.",
    )
    @answering(SetModelAliasPayload)
    async def set_model_alias(
        self,
        info: Info,
        input: Annotated[SetModelAliasInput, strawberry.argument(description="Where it is to point.")],
    ) -> SetModelAliasPayload:
        """Moves an alias."""
        row = await resolvers.set_alias(info.context, input.value())
        return SetModelAliasPayload(alias=ModelAlias.from_row(row))

    @mutation(
        Scope.MODELS_WRITE,
        "Deletes an alias of the project, at once for all requests that come after; one of the operator of "
        "that name is seen again. What came by it, jobs too, goes on and still leads to it. The operator's "
        "are a CONFLICT: they stand in the registry file.",
    )
    @answering(DeleteModelAliasPayload)
    async def delete_model_alias(
        self,
        info: Info,
        input: Annotated[DeleteModelAliasInput, strawberry.argument(description="Which alias.")],
    ) -> DeleteModelAliasPayload:
        """Deletes an alias."""
        row = await resolvers.delete_alias(info.context, input.value())
        return DeleteModelAliasPayload(alias=ModelAlias.from_row(row))
