"""Mutation: the roots that change something."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from resolvers import keys as key_resolvers
from resolvers import predictions as prediction_resolvers
from resolvers import webhooks as webhook_resolvers
from schema.access import Info, mutation
from schema.answering import answering
from schema.directives import Cost
from schema.enums import Scope
from schema.errors import UserError
from schema.job_mutations import JobMutations
from schema.keys import ApiKey
from schema.nodes import row_id
from schema.predict import CancelPredictionInput, CancelPredictionPayload, PredictInput, PredictPayload
from schema.predictions import Prediction
from schema.types import given, input_type, object_type
from schema.webhooks import (
    RedeliverWebhookInput,
    RedeliverWebhookPayload,
    RotateWebhookSecretPayload,
    WebhookDelivery,
)


@input_type
class CreateApiKeyInput:
    """A new key."""

    name: str = strawberry.field(description="What it is for; 1 to 100 characters.")
    scopes: list[Scope] = strawberry.field(description="What it may do: at least one, and none you have not.")
    expires_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="When it stops working."
    )


@object_type
class CreateApiKeyPayload:
    """The new key."""

    api_key: ApiKey | None = strawberry.field(default=None, description="Null if it was refused.")
    secret: str | None = strawberry.field(default=None, description="Shown this once: keep it.")
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


@strawberry.type(description="Everything that can be changed.")
class Mutation(JobMutations):
    """The mutation root."""

    @mutation(
        Scope.PREDICTIONS_WRITE,
        "Asks a model. Waits up to waitMs; a slower prediction comes back QUEUED or RUNNING and goes on.",
        directives=[Cost(weight="10")],
    )
    @answering(PredictPayload)
    async def predict(
        self,
        info: Info,
        input: Annotated[PredictInput, strawberry.argument(description="What to ask of which model.")],
    ) -> PredictPayload:
        """Runs a prediction."""
        accepted = await prediction_resolvers.predict(info.context, input.value())
        return PredictPayload(prediction=Prediction.from_row(accepted.row), replayed=accepted.replayed)

    @mutation(
        Scope.PREDICTIONS_WRITE,
        "Cancels a prediction, wherever it runs; what a generation has so far is kept, and billed.",
    )
    @answering(CancelPredictionPayload)
    async def cancel_prediction(
        self,
        info: Info,
        input: Annotated[CancelPredictionInput, strawberry.argument(description="Which prediction.")],
    ) -> CancelPredictionPayload:
        """Cancels a prediction."""
        prediction_id = row_id(input.id, "Prediction", path=("input", "id"))
        row = await prediction_resolvers.cancel(info.context, prediction_id)
        return CancelPredictionPayload(prediction=Prediction.from_row(row))

    @mutation(Scope.KEYS_ADMIN, "Makes a key for the viewer's project; `secret` is shown once.")
    @answering(CreateApiKeyPayload)
    async def create_api_key(
        self,
        info: Info,
        input: Annotated[CreateApiKeyInput, strawberry.argument(description="What the key is for.")],
    ) -> CreateApiKeyPayload:
        """Makes a key."""
        expires_at = given(input.expires_at)
        row, secret = await key_resolvers.create_key(info.context, input.name, input.scopes, expires_at)
        return CreateApiKeyPayload(api_key=ApiKey.from_row(row), secret=secret)

    @mutation(Scope.KEYS_ADMIN, "Revokes a key at once; one that is revoked already stays so.")
    @answering(RevokeApiKeyPayload)
    async def revoke_api_key(
        self,
        info: Info,
        input: Annotated[RevokeApiKeyInput, strawberry.argument(description="Which key.")],
    ) -> RevokeApiKeyPayload:
        """Revokes a key."""
        key_id = row_id(input.id, "ApiKey", path=("input", "id"))
        return RevokeApiKeyPayload(
            api_key=ApiKey.from_row(await key_resolvers.revoke_key(info.context, key_id))
        )

    @mutation(
        Scope.JOBS_WRITE,
        "Delivers a webhook again, whatever became of it, with its whole schedule before it.",
    )
    @answering(RedeliverWebhookPayload)
    async def redeliver_webhook(
        self,
        info: Info,
        input: Annotated[RedeliverWebhookInput, strawberry.argument(description="Which delivery.")],
    ) -> RedeliverWebhookPayload:
        """Delivers again."""
        delivery_id = row_id(input.id, "WebhookDelivery", path=("input", "id"))
        row = await webhook_resolvers.redeliver(info.context, delivery_id)
        return RedeliverWebhookPayload(delivery=WebhookDelivery.from_row(row))

    @mutation(Scope.KEYS_ADMIN, "Gives the project a new secret to sign webhooks with; it is shown once.")
    @answering(RotateWebhookSecretPayload)
    async def rotate_webhook_secret(self, info: Info) -> RotateWebhookSecretPayload:
        """Makes a new secret."""
        return RotateWebhookSecretPayload(secret=await webhook_resolvers.rotate_secret(info.context))
