"""Hashing passwords."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Iterator

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from engine import key_secrets
from engine.errors import InvalidInputError, RateLimitedError
from engine.identity.passwords import AT_ONCE, WAITING, Passwords

CHEAP = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords(CHEAP)
    yield passwords
    passwords.close()


async def test_a_hash_is_argon2id_with_the_parameters_that_are_recommended() -> None:
    passwords = Passwords()
    hashed = await passwords.hash("a long password")
    passwords.close()

    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_a_password_matches_its_own_hash_alone(passwords: Passwords) -> None:
    hashed = await passwords.hash("a long password")

    assert await passwords.matches("a long password", hashed) == (True, None)
    assert await passwords.matches("another password", hashed) == (False, None)
    assert await passwords.matches("x" * 10**6, hashed) == (False, None)


async def test_it_does_not_matter_how_a_letter_is_composed(passwords: Passwords) -> None:
    hashed = await passwords.hash("gru\u0308n wie Gras")

    assert await passwords.matches("grün wie Gras", hashed) == (True, None)


async def test_a_hash_of_weaker_parameters_is_replaced(passwords: Passwords) -> None:
    weak = await passwords.hash("a long password")
    stronger = Passwords(PasswordHash((Argon2Hasher(time_cost=2, memory_cost=16, parallelism=1),)))

    genuine, better = await stronger.matches("a long password", weak)

    assert genuine
    assert better is not None
    assert await stronger.matches("a long password", better) == (True, None)
    stronger.close()


class Recording(PasswordHash):
    """Notes what it compares a password with."""

    def __init__(self) -> None:
        super().__init__(CHEAP.hashers)
        self.compared: list[str | bytes] = []

    def verify_and_update(self, password: str | bytes, hash: str | bytes) -> tuple[bool, str | None]:
        self.compared.append(hash)
        return super().verify_and_update(password, hash)


async def test_where_there_is_no_hash_the_same_work_is_done() -> None:
    """Not timed, which would be flaky: what is computed is noted."""
    recording = Recording()
    passwords = Passwords(recording)

    found = await passwords.matches("the password of nobody", None)
    passwords.close()

    assert found == (False, None)
    assert [str(each).split("$")[1:4] for each in recording.compared] == [["argon2id", "v=19", "m=8,t=1,p=1"]]


class Slow(PasswordHash):
    """Takes its time."""

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        time.sleep(0.01)
        return "hash"


@pytest.mark.parametrize("password", ["", "eleven char", "x" * 257])
async def test_a_password_has_12_to_256_characters(passwords: Passwords, password: str) -> None:
    with pytest.raises(InvalidInputError, match="12 to 256"):
        await passwords.hash(password)


async def test_only_so_many_wait(passwords: Passwords) -> None:
    passwords._hasher = Slow(CHEAP.hashers)
    asked = (passwords.hash("a long password") for _ in range(AT_ONCE + WAITING + 10))

    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert answers.count("hash") == AT_ONCE + WAITING
    assert sum(isinstance(answer, RateLimitedError) for answer in answers) == 10


def test_secrets_are_compared_in_constant_time() -> None:
    """By their structure: every comparison of what is secret goes through hmac.compare_digest."""
    assert "hmac.compare_digest(stored, digest)" in inspect.getsource(key_secrets.matches)
    assert "hmac.compare_digest" in inspect.getsource(key_secrets.is_well_formed)
