"""Limits: charges operations, and reserves what predictions may use until it is known what they did."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.errors import RateLimitedError
from engine.limits.base import Buckets, BucketsAwayError, Demand, Limit, Payer, Problem, Taken
from engine.limits.memory import LEASE_SECONDS
from engine.limits.projects import Projects
from engine.standing import LimitScope, RateLimit, RateLimitKind

log = logging.getLogger(__name__)

PLACE_SECONDS = 1.0
"""When to ask for a place again: nobody knows when one will be free."""
AWAY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a prediction may use: tokens that are taken in advance, and a place among those that run."""

    holder: str
    taken: Taken


class Limits:
    """The rate limits of all projects, as far as this process shares them with others."""

    def __init__(self, projects: Projects, buckets: Buckets, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._lease_seconds = lease_seconds
        self._projects = projects
        self._buckets = buckets
        self._held: dict[str, Reservation] = {}

    async def charge(self, payer: Payer, cost: float) -> Sequence[RateLimit]:
        """Counts an operation of some cost, and returns how the limits for operations stand then.

        Raises:
            RateLimitedError: one of them has not as much left; nothing was counted.
        """
        amounts = {RateLimitKind.REQUESTS: 1, RateLimitKind.QUERY_COST: math.ceil(cost)}
        taken = await self._take(payer, amounts)
        return [] if taken is None else _standing(taken)

    async def reserve(
        self, payer: Payer, holder: str, *, tokens: int, is_another: bool = False
    ) -> Reservation | None:
        """Takes a place and tokens for a prediction; None where nothing limits it.

        `is_another` counts it as a request of its own: its operation has asked for one before.

        Raises:
            RateLimitedError: one of the limits has not as much left; nothing was taken.
        """
        amounts = {RateLimitKind.CONCURRENCY: 1, RateLimitKind.TOKENS: tokens}
        if is_another:
            amounts[RateLimitKind.REQUESTS] = 1
        return self._keep(holder, await self._take(payer, amounts, holder))

    async def reserve_for_item(self, payer: Payer, holder: str, *, tokens: int) -> Reservation | None:
        """Takes tokens for an item of a job, all there ever are for one that may use more.

        Jobs take no places: how many items run at once is limited otherwise.

        Raises:
            RateLimitedError: so many are not left; nothing was taken.
        """
        if not tokens:
            return None
        taken = await self._take(payer, {RateLimitKind.TOKENS: tokens}, holder, at_most_all=True)
        return self._keep(holder, taken)

    async def settle(self, reservation: Reservation | None, used: int) -> None:
        """Gives the place back, and the tokens that were not used; takes what was used beyond them.

        Where that can not be told, the lease of the place ends, and the tokens come back by themselves.
        """
        if reservation is None or self._held.pop(reservation.holder, None) is None:
            return
        demands = [
            Demand(each.limit, -1 if each.limit.has_places else used - each.amount)
            for each in reservation.taken.demands
            if each.limit.kind in (RateLimitKind.CONCURRENCY, RateLimitKind.TOKENS)
        ]
        try:
            await reservation.taken.by.take(demands, reservation.holder, forced=True)
        except BucketsAwayError as error:
            log.warning("a prediction's tokens were not given back: %s", error)

    async def standing(self, payer: Payer) -> Sequence[RateLimit]:
        """Returns how every limit of a payer stands, or none where they are not known now."""
        tier = await self._projects.tier(payer.project_id)
        limits = tier.limits(payer, *RateLimitKind)
        try:
            return _standing(await self._buckets.take([Demand(limit, 0) for limit in limits]))
        except BucketsAwayError:
            return []

    async def problem(self) -> Problem | None:
        """Returns what is wrong with what the limits are shared by, if anything is."""
        return await self._buckets.problem()

    async def run(self) -> None:
        """Keeps the places of what runs, until it is cancelled."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            places = [
                (demand.limit.key, reservation.holder)
                for reservation in self._held.values()
                for demand in reservation.taken.demands
                if demand.limit.has_places
            ]
            try:
                await self._buckets.renew(places)
            except BucketsAwayError as error:
                log.warning("places were not kept: %s", error)

    def _keep(self, holder: str, taken: Taken | None) -> Reservation | None:
        if taken is None:
            return None
        reservation = self._held[holder] = Reservation(holder, taken)
        return reservation

    async def _take(
        self,
        payer: Payer,
        amounts: Mapping[RateLimitKind, int],
        holder: str = "",
        *,
        at_most_all: bool = False,
    ) -> Taken | None:
        tier = await self._projects.tier(payer.project_id)
        demands = [
            Demand(limit, min(amount, limit.capacity) if at_most_all else amount)
            for limit in tier.limits(payer, *amounts)
            if (amount := amounts[limit.kind])
        ]
        if not demands:
            return None
        try:
            taken = await self._buckets.take(demands, holder)
        except BucketsAwayError:
            message = "The limits can not be looked at now, so nothing is let through; try again."
            raise RateLimitedError(message, retry_after_seconds=AWAY_SECONDS) from None
        if taken.refused is not None:
            raise _refusal(taken.demands[taken.refused], taken.left[taken.refused])
        return taken


def _standing(taken: Taken) -> list[RateLimit]:
    return [_rate_limit(demand.limit, left) for demand, left in zip(taken.demands, taken.left, strict=True)]


def _rate_limit(limit: Limit, left: float) -> RateLimit:
    rate = limit.restored_per_second
    seconds = (limit.capacity - left) / rate if rate else 0.0
    return RateLimit(limit.kind, limit.scope, limit.capacity, max(0, math.floor(left)), rate, seconds)


def _refusal(demand: Demand, left: float) -> RateLimitedError:
    limit = demand.limit
    who = "This key" if limit.scope is LimitScope.KEY else "This project"
    standing = _rate_limit(limit, left)
    allowed = ALLOWED[limit.kind].format(limit.capacity)
    if demand.amount > limit.capacity:
        message = f"{who} may {allowed}, and this asks for {demand.amount}: ask for less."
        return RateLimitedError(message, limit=standing, retryable=False)
    rate = limit.restored_per_second
    seconds = math.ceil((demand.amount - left) / rate * 1000) / 1000 if rate else PLACE_SECONDS
    message = f"{who} may {allowed}: try again in {seconds:g} seconds."
    return RateLimitedError(message, limit=standing, retry_after_seconds=seconds)


ALLOWED = {
    RateLimitKind.REQUESTS: "send {} requests a minute",
    RateLimitKind.QUERY_COST: "ask for a query cost of {} a minute",
    RateLimitKind.TOKENS: "use {} tokens a minute",
    RateLimitKind.CONCURRENCY: "have {} predictions run at once",
}
