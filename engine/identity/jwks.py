"""KeySet: the public keys of an issuer (RFC 7517), fetched from one configured address and kept a while.

An unknown key makes us look again, since issuers change their keys, but not more often than twice a minute:
whoever sends tokens of invented keys must not make us call the issuer each time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from engine.errors import IssuerAwayError

log = logging.getLogger(__name__)

FRESH_SECONDS = 600.0
AGAIN_SECONDS = 30.0
KEPT_SECONDS = 24 * 3600.0
"""How long keys are good whose issuer does not answer."""
TIMEOUT_SECONDS = 5.0
MOST_BYTES = 256 * 1024
MOST_KEYS = 100
LEAST_RSA_BITS = 2048
ASYMMETRIC = frozenset({"RSA", "EC", "OKP"})


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, and the one algorithm that it is for, where the issuer says so."""

    public: Any
    algorithm: str | None


class KeySet:
    """The keys behind one address."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: Mapping[str, Key] = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._lock = asyncio.Lock()

    async def key(self, key_id: str) -> Key | None:
        """Returns a key by its id, None where the issuer has none of that id.

        Raises:
            IssuerAwayError: nobody knows, because the issuer does not answer.
        """
        is_known = key_id in self._keys
        if self._is_due(key_id) and not (is_known and self._lock.locked()):  # one asks, who can go on does
            async with self._lock:
                if self._is_due(key_id):  # whoever had the lock may have fetched it
                    await self._refresh()
        if self._fetched is None or self._age(self._fetched) > KEPT_SECONDS:
            raise IssuerAwayError(retry_after_seconds=AGAIN_SECONDS)
        return self._keys.get(key_id)

    def _is_due(self, key_id: str) -> bool:
        if self._tried is not None and self._age(self._tried) < AGAIN_SECONDS:
            return False
        old = self._fetched is None or self._age(self._fetched) >= FRESH_SECONDS
        return old or key_id not in self._keys

    def _age(self, since: float) -> float:
        return self._clock() - since

    async def _refresh(self) -> None:
        try:
            self._keys = _usable(await _fetch(self._url))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TimeoutError) as error:
            log.warning("the keys of %s can not be read: %s", self._url, error)
        else:
            self._fetched = self._clock()
        self._tried = self._clock()


async def _fetch(url: str) -> object:
    async with (
        asyncio.timeout(TIMEOUT_SECONDS),
        httpx.AsyncClient(follow_redirects=False, trust_env=False) as client,
        client.stream("GET", url, headers={"Accept": "application/json"}) as answer,
    ):
        if answer.status_code != 200:
            raise ValueError(f"status {answer.status_code}")
        content = bytearray()
        async for piece in answer.aiter_bytes():
            content += piece
            if len(content) > MOST_BYTES:
                raise ValueError(f"more than {MOST_BYTES} bytes")
    return orjson.loads(content)


def _usable(answer: object) -> Mapping[str, Key]:
    """Returns the keys that can check a signature, by their ids; what is no such key is left out."""
    listed = answer.get("keys") if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        raise ValueError("no set of keys")
    found: dict[str, Key] = {}
    for each in listed[:MOST_KEYS]:
        if _is_public(each):
            try:
                public = jwt.PyJWK(each).key
            except (jwt.PyJWTError, ValueError):
                continue
            if not isinstance(public, RSAPublicKey) or public.key_size >= LEAST_RSA_BITS:
                found[each["kid"]] = Key(public, each.get("alg"))
    return found


def _is_public(key: object) -> bool:
    return (
        isinstance(key, dict)
        and key.get("kty") in ASYMMETRIC
        and isinstance(key.get("kid"), str)
        and key.get("use", "sig") == "sig"
        and "d" not in key
    )
