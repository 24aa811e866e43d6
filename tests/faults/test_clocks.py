"""Clocks that are wrong, or jump: leases go by the database's, and durations by none that can be set."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

import engine.lease_clock
from db.session import Database
from db.types import now
from engine.lease_clock import LeaseClock

JUMP = timedelta(minutes=10)


def jumped() -> datetime:
    return now() + JUMP


@pytest.mark.postgres
async def test_a_machine_whose_clock_is_wrong_goes_by_the_databases(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.lease_clock, "now", jumped)
    clock = LeaseClock(postgres)
    before = clock.now()

    await clock.agree()

    assert before - now() > JUMP / 2
    assert abs(clock.now() - now()) < JUMP / 2


async def test_a_clock_that_jumps_moves_no_lease(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = LeaseClock(database)

    monkeypatch.setattr(engine.lease_clock, "now", jumped)

    assert abs(clock.now() - now()) < JUMP / 2
