"""Limits: how those of the viewer stand."""

from __future__ import annotations

from collections.abc import Sequence

from engine.standing import RateLimit
from resolvers.context import Context


async def rate_limits(context: Context) -> Sequence[RateLimit]:
    """Returns every rate limit of the viewer."""
    return await context.services.limits.standing(context.viewer)
