"""Slowing down who tries credentials out."""

from __future__ import annotations

import pytest

from engine.errors import TooManyAttemptsError
from engine.identity.guesses import KNOWN_SECONDS, PER_ADDRESS, PER_NAME, REMEMBERED, WINDOW_SECONDS, Guesses


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guesses(clock: Clock) -> Guesses:
    return Guesses(clock)


def wrong(guesses: Guesses, times: int, address: str = "here", name: str = "fk_one") -> None:
    for _ in range(times):
        guesses.require_room(address, name, b"a guess")
        guesses.wrong(address, name)


def test_after_ten_wrong_secrets_of_a_key_an_address_waits_out_the_minute(
    guesses: Guesses, clock: Clock
) -> None:
    wrong(guesses, PER_NAME)
    clock.now += 20

    with pytest.raises(TooManyAttemptsError) as refused:
        guesses.require_room("here", "fk_one", b"a guess")
    clock.now += WINDOW_SECONDS - 20

    assert refused.value.retry_after_seconds == WINDOW_SECONDS - 20
    wrong(guesses, 1)


def test_nobody_elsewhere_is_held_up(guesses: Guesses) -> None:
    wrong(guesses, PER_NAME)

    guesses.require_room("elsewhere", "fk_one", b"the right one")
    guesses.require_room("here", "fk_two", b"the right one")


def test_an_address_that_tries_many_keys_is_held_up_for_all(guesses: Guesses) -> None:
    for number in range(PER_ADDRESS):
        wrong(guesses, 1, name=f"fk_{number}")

    with pytest.raises(TooManyAttemptsError):
        guesses.require_room("here", "fk_new", b"a guess")


def test_a_credential_that_was_right_is_not_held_up_by_its_neighbours(guesses: Guesses) -> None:
    guesses.right(b"the right one")
    wrong(guesses, PER_NAME)

    guesses.require_room("here", "fk_one", b"the right one")
    with pytest.raises(TooManyAttemptsError):
        guesses.require_room("here", "fk_one", b"a guess")


def test_memory_is_bounded_however_many_addresses_there_are(guesses: Guesses) -> None:
    for number in range(REMEMBERED):
        guesses.wrong(f"address {number}", f"fk_{number}")
        guesses.right(f"credential {number}".encode())

    assert (len(guesses._wrong), len(guesses._right)) == (REMEMBERED, REMEMBERED)


def test_what_was_right_is_known_for_an_hour(guesses: Guesses, clock: Clock) -> None:
    guesses.right(b"the right one")
    clock.now += KNOWN_SECONDS - 1
    wrong(guesses, PER_NAME)

    guesses.require_room("here", "fk_one", b"the right one")
    clock.now += 1
    with pytest.raises(TooManyAttemptsError):
        guesses.require_room("here", "fk_one", b"the right one")
