"""Tiers as an operator writes them down, and those that are there without a word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from engine.limits.tiers import Tier
from engine.standing import FIRST_TIER, USUAL_TIER

Number = Annotated[int, Field(ge=1, le=1_000_000_000)]


class TierSettings(BaseModel):
    """What a project of a tier may ask for; what is left out is not limited."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: Number | None = None
    query_cost_per_minute: Number | None = None
    tokens_per_minute: Number | None = None
    concurrent_predictions: Number | None = None
    key_share: Annotated[float, Field(gt=0, le=1)] = 1.0

    @property
    def tier(self) -> Tier:
        """The tier as the engine knows it."""
        return Tier(
            requests=self.requests_per_minute,
            query_cost=self.query_cost_per_minute,
            tokens=self.tokens_per_minute,
            concurrency=self.concurrent_predictions,
            key_share=self.key_share,
        )


BUILT_IN = {
    USUAL_TIER: TierSettings(
        requests_per_minute=100,
        query_cost_per_minute=10_000,
        tokens_per_minute=100_000,
        concurrent_predictions=10,
    ),
    "paid": TierSettings(
        requests_per_minute=1_000,
        query_cost_per_minute=100_000,
        tokens_per_minute=1_000_000,
        concurrent_predictions=100,
    ),
    FIRST_TIER: TierSettings(),
}


def all_tiers(given: Mapping[str, TierSettings]) -> dict[str, Tier]:
    """Returns every tier by its name: those that are given, and the built-in ones that are not among them."""
    return {name: settings.tier for name, settings in (BUILT_IN | dict(given)).items()}
