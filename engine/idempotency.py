"""Idempotency keys: the same key with the same input is the same request, for 24 hours.

A key is claimed in the transaction that stores what the request makes, so a repetition finds either
both or nothing. Semantics as in draft-ietf-httpapi-idempotency-key-header-07, within a project and
an operation.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from db.errors import UniqueViolationError
from db.queries import idempotency as queries
from db.session import Database
from db.tables import IdempotencyRow
from db.types import now
from engine.errors import IdempotencyKeyReusedError, InvalidInputError

KEPT = timedelta(hours=24)
MAX_KEY = 128
PATH = ("input", "idempotencyKey")


class AlreadyDoneError(Exception):
    """The key stands for an earlier request with the same input."""

    def __init__(self, result_id: str) -> None:
        super().__init__(result_id)
        self.result_id = result_id


@dataclass(frozen=True, slots=True)
class Claim:
    """A key as one request gives it; without one (None) every request is a new one."""

    project_id: str
    operation: str
    key: str | None
    request_id: str
    fingerprint: bytes = b""


def fingerprint(value: Any) -> bytes:
    """Returns what two requests have in common when they ask for the same: a hash of canonical JSON."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).digest()


def check_key(key: str) -> None:
    """Returns if a key can be one.

    Raises:
        InvalidInputError: it is empty, longer than 128 characters, or not printable ASCII.
    """
    if not 1 <= len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
        message = f"An idempotency key has 1 to {MAX_KEY} printable ASCII characters."
        raise InvalidInputError(message, path=PATH, constraint=f"maxLength: {MAX_KEY}")


@asynccontextmanager
async def claiming(database: Database, claim: Claim, result_id: str) -> AsyncIterator[AsyncConnection]:
    """Opens a transaction in which a key is claimed for what the block stores under `result_id`.

    Raises:
        AlreadyDoneError: the key stands for the same request; its result is named.
        IdempotencyKeyReusedError: the key stands for another one.
    """
    try:
        async with database.write() as connection:
            if claim.key is not None:
                await queries.forget_before(connection, now() - KEPT)
                await queries.claim(connection, _row(claim, result_id))
            yield connection
    except UniqueViolationError:
        if claim.key is None:
            raise
        await raise_earlier(database, claim)
        raise


async def raise_earlier(database: Database, claim: Claim) -> None:
    """Returns if nobody has claimed a key before.

    Raises:
        AlreadyDoneError, IdempotencyKeyReusedError: as `claiming`.
    """
    if claim.key is None:
        return
    # Not `read`: the earlier claim may be in the group that is about to be committed, and counts only then.
    async with database.write() as connection:
        earlier = await queries.find(connection, claim.project_id, claim.operation, claim.key)
    if earlier is None:
        return
    if earlier.fingerprint != claim.fingerprint:
        raise IdempotencyKeyReusedError(original_request_id=earlier.request_id, path=PATH)
    raise AlreadyDoneError(earlier.result_id)


def _row(claim: Claim, result_id: str) -> IdempotencyRow:
    return IdempotencyRow(
        project_id=claim.project_id,
        operation=claim.operation,
        key=claim.key or "",
        fingerprint=claim.fingerprint,
        result_id=result_id,
        request_id=claim.request_id,
    )
