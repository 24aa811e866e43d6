"""Mutation: the roots that change something."""

from __future__ import annotations

from typing import Annotated

import strawberry

from resolvers import predictions as prediction_resolvers
from resolvers import webhooks as webhook_resolvers
from schema.access import Info, mutation
from schema.alias_mutations import AliasMutations
from schema.answering import answering
from schema.budget_mutations import BudgetMutations
from schema.directives import Cost
from schema.enums import Scope
from schema.job_mutations import JobMutations
from schema.key_mutations import KeyMutations
from schema.model_mutations import ModelMutations
from schema.nodes import row_id
from schema.predict import CancelPredictionInput, CancelPredictionPayload, PredictInput, PredictPayload
from schema.predictions import Prediction
from schema.sessions import SessionMutations
from schema.webhooks import (
    RedeliverWebhookInput,
    RedeliverWebhookPayload,
    RotateWebhookSecretPayload,
    WebhookDelivery,
)


@strawberry.type(description="Everything that can be changed.")
class Mutation(SessionMutations, ModelMutations, KeyMutations, BudgetMutations, AliasMutations, JobMutations):
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
