"""KeyMutations: the mutations that make, rotate and revoke API keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import strawberry

from engine.values import KeyRequest
from resolvers import keys as resolvers
from schema.access import Info, mutation
from schema.answering import answering
from schema.enums import Scope
from schema.errors import UserError
from schema.keys import ApiKey
from schema.models import ModelRefInput
from schema.nodes import row_id
from schema.types import given, input_type, object_type

ID = ("input", "id")
OVERLAP_SECONDS = 24 * 3600


@input_type
class CreateApiKeyInput:
    """A new key."""

    name: str = strawberry.field(description="What it is for; 1 to 100 characters.")
    scopes: list[Scope] = strawberry.field(description="What it may do: at least one, and none you have not.")
    models: list[ModelRefInput] | None = strawberry.field(
        default=strawberry.UNSET,
        description="The models that exist for it, 1 to 100 of those you see; all, if left out.",
    )
    expires_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="When it stops working."
    )
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="1 to 128 printable ASCII characters, kept 24 h for the project: the same key with the "
        "same input returns the key that was made first, without its secret.",
    )

    def value(self) -> KeyRequest:
        """Returns the request, but for its models."""
        return KeyRequest(
            self.name,
            tuple(self.scopes),
            expires_at=given(self.expires_at),
            idempotency_key=given(self.idempotency_key),
        )


@object_type
class CreateApiKeyPayload:
    """The new key."""

    api_key: ApiKey | None = strawberry.field(default=None, description="Null if it was refused.")
    secret: str | None = strawberry.field(
        default=None, description="Shown this once: keep it. Null in a repetition, which can not know it."
    )
    replayed: bool = strawberry.field(
        default=False, description="Whether an earlier request with the idempotency key made it."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@input_type
class RotateApiKeyInput:
    """A key that gets a new secret."""

    id: strawberry.ID = strawberry.field(description="The key's global id.")
    overlap_seconds: int = strawberry.field(
        default=OVERLAP_SECONDS,
        description="How long the secret it has works on: 0 to 2592000 (30 days), a day if left out.",
    )


@object_type
class RotateApiKeyPayload:
    """The key, with a new secret."""

    api_key: ApiKey | None = strawberry.field(default=None, description="Null if it was refused.")
    secret: str | None = strawberry.field(default=None, description="Shown this once: keep it.")
    previous_expires_at: datetime | None = strawberry.field(
        default=None, description="When the secret before this one stops working."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@input_type
class RevokeApiKeyInput:
    """A key to revoke."""

    id: strawberry.ID = strawberry.field(description="The key's global id.")


@object_type
class RevokeApiKeyPayload:
    """The key, revoked."""

    api_key: ApiKey | None = strawberry.field(default=None, description="Null if it was refused.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type(description="What can be done with keys.")
class KeyMutations:
    """The part of the mutation root that is about keys."""

    @mutation(Scope.KEYS_ADMIN, "Makes a key for the viewer's project; `secret` is shown once.")
    @answering(CreateApiKeyPayload)
    async def create_api_key(
        self,
        info: Info,
        input: Annotated[CreateApiKeyInput, strawberry.argument(description="What the key is for.")],
    ) -> CreateApiKeyPayload:
        """Makes a key."""
        named = given(input.models)
        refs = (
            None
            if named is None
            else [ref.value(("input", "models", str(number))) for number, ref in enumerate(named)]
        )
        granted = await resolvers.create_key(info.context, input.value(), refs)
        shown = ApiKey.from_row(granted.row)
        return CreateApiKeyPayload(api_key=shown, secret=granted.secret, replayed=granted.replayed)

    @mutation(
        Scope.KEYS_ADMIN,
        "Gives a key a new secret, shown once, and lets the one it has work on for a while; the key stays "
        "what it is. Only for keys that may do no more than yours.",
    )
    @answering(RotateApiKeyPayload)
    async def rotate_api_key(
        self,
        info: Info,
        input: Annotated[RotateApiKeyInput, strawberry.argument(description="Which key.")],
    ) -> RotateApiKeyPayload:
        """Rotates a key."""
        overlap = timedelta(seconds=input.overlap_seconds)
        rotated = await resolvers.rotate_key(info.context, row_id(input.id, "ApiKey", path=ID), overlap)
        return RotateApiKeyPayload(
            api_key=ApiKey.from_row(rotated.row),
            secret=rotated.secret,
            previous_expires_at=rotated.previous_expires_at,
        )

    @mutation(
        Scope.KEYS_ADMIN,
        "Revokes a key at once, on every process, and closes what it holds open; one that is revoked already "
        "stays so.",
    )
    @answering(RevokeApiKeyPayload)
    async def revoke_api_key(
        self,
        info: Info,
        input: Annotated[RevokeApiKeyInput, strawberry.argument(description="Which key.")],
    ) -> RevokeApiKeyPayload:
        """Revokes a key."""
        row = await resolvers.revoke_key(info.context, row_id(input.id, "ApiKey", path=ID))
        return RevokeApiKeyPayload(api_key=ApiKey.from_row(row))
