"""Fetching the keys of an issuer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import RedirectResponse, Response

from engine.errors import IssuerAwayError
from engine.identity.jwks import AGAIN_SECONDS, FRESH_SECONDS, KEPT_SECONDS, MOST_BYTES, KeySet
from tests.engine.identity.issuing import Keys, ec_key, listing, public, rsa_key


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def issuer() -> AsyncIterator[Keys]:
    async with listing() as keys:
        yield keys


async def test_keys_are_fetched_once_for_all_who_ask_at_once(issuer: Keys, clock: Clock) -> None:
    keys = KeySet(issuer.url, clock=clock)

    found = await asyncio.gather(*(keys.key("one") for _ in range(20)))

    assert all(key is not None for key in found)
    assert issuer.asked == 1


async def test_a_new_key_is_found_and_invented_ones_do_not_make_us_ask_again(
    issuer: Keys, clock: Clock
) -> None:
    keys = KeySet(issuer.url, clock=clock)
    await keys.key("one")
    issuer.listed.append(public(rsa_key(1), "two"))

    too_soon = await keys.key("two")
    clock.now += AGAIN_SECONDS
    found = await keys.key("two")
    for number in range(50):
        assert await keys.key(f"invented {number}") is None

    assert too_soon is None
    assert found is not None
    assert issuer.asked == 2


async def test_a_key_that_is_listed_no_more_is_gone_when_the_keys_are_old(issuer: Keys, clock: Clock) -> None:
    keys = KeySet(issuer.url, clock=clock)
    await keys.key("one")
    issuer.listed.clear()

    clock.now += FRESH_SECONDS - 1
    still = await keys.key("one")
    clock.now += 1

    assert still is not None
    assert await keys.key("one") is None


async def test_while_the_issuer_is_away_its_keys_are_good_for_a_day(issuer: Keys, clock: Clock) -> None:
    keys = KeySet(issuer.url, clock=clock)
    await keys.key("one")
    issuer.answer = Response("no", 500)

    clock.now += KEPT_SECONDS
    kept = await keys.key("one")
    clock.now += AGAIN_SECONDS

    assert kept is not None
    with pytest.raises(IssuerAwayError):
        await keys.key("one")


@pytest.mark.parametrize(
    "answer",
    [
        Response("no", 404),
        Response("<html>"),
        Response("[]"),
        Response('{"keys": {}}'),
        Response("x" * (MOST_BYTES + 1)),
        RedirectResponse("/elsewhere"),
    ],
    ids=["missing", "html", "list", "object", "huge", "redirect"],
)
async def test_what_is_no_set_of_keys_is_none(issuer: Keys, clock: Clock, answer: Any) -> None:
    issuer.answer = answer

    with pytest.raises(IssuerAwayError) as refused:
        await KeySet(issuer.url, clock=clock).key("one")

    assert refused.value.retryable
    assert issuer.asked == 1


async def test_an_issuer_that_is_not_there_is_away(clock: Clock) -> None:
    with pytest.raises(IssuerAwayError):
        await KeySet("http://127.0.0.1:1/keys", clock=clock).key("one")


async def test_only_public_keys_that_can_check_a_signature_are_taken(issuer: Keys, clock: Clock) -> None:
    secret = {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"}
    private = {**public(rsa_key(), "private"), "d": "AQAB"}
    for_encryption = public(rsa_key(), "encryption", use="enc")
    short = public(rsa_key(2, bits=1024), "short")
    issuer.listed = [secret, private, for_encryption, short, {"kty": "RSA", "kid": "broken"}, json.loads("7")]
    issuer.listed += [public(ec_key(), "elliptic")]
    keys = KeySet(issuer.url, clock=clock)

    names = ("secret", "private", "encryption", "short", "broken", "elliptic")
    found = [name for name in names if await keys.key(name) is not None]

    assert found == ["elliptic"]
