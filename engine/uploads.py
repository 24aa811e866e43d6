"""Uploads: files that clients put at a signed address, checked on their way in."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from datetime import timedelta

from db.queries import uploads as queries
from db.session import Database
from db.tables import UploadRow
from db.types import new_id, now
from engine.errors import ConflictError, InvalidInputError, NotFoundError, PayloadTooLargeError
from engine.signing import Links
from engine.storage.base import BLOCK, Storage, Writing
from engine.values import Viewer

MAX_BYTES = 1024**3
MAX_FILENAME = 255
LIFETIME = timedelta(hours=1)
SHA256 = re.compile(r"[0-9a-f]{64}")


class Uploads:
    """Gives leave to put files, and takes them in."""

    def __init__(self, database: Database, storage: Storage, links: Links) -> None:
        self._database = database
        self._storage = storage
        self._links = links

    async def create(
        self, viewer: Viewer, filename: str, byte_size: int, sha256: str | None
    ) -> tuple[UploadRow, str]:
        """Returns an upload and the address to PUT it at within the hour.

        Raises:
            InvalidInputError: the name, the size or the checksum can not be.
        """
        _check(filename, byte_size, sha256)
        upload_id = new_id()
        address, expires_at = self._links.sign("PUT", upload_path(upload_id), LIFETIME)
        row = UploadRow(
            id=upload_id,
            project_id=viewer.project_id,
            filename=filename,
            byte_size=byte_size,
            sha256=sha256,
            key="",
            expires_at=expires_at,
        )
        async with self._database.write() as connection:
            await queries.add(connection, row)
        return row, address

    async def receive(self, upload_id: str, body: AsyncIterator[bytes]) -> str:
        """Takes in the file of an upload whose signature was checked, and returns its sha256.

        Raises:
            NotFoundError: there is no such upload.
            ConflictError: the file is there already.
            InvalidInputError: it has not the size or the checksum that was said; nothing is kept of it.
            StorageError: it could not be kept.
        """
        async with self._database.read() as connection:
            row = await queries.whole(connection, upload_id)
        if row is None:
            raise NotFoundError("There is no such upload.")
        if row.stored_at is not None:
            raise ConflictError("The file is there already.")
        key = f"uploads/{upload_id}/{new_id()}"  # of its own, so that nobody else's file takes its place
        writing = await asyncio.to_thread(self._storage.create, key)
        try:
            sha256 = await _write(writing, body, row)
            await asyncio.to_thread(writing.commit)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(writing.discard))
            raise
        async with self._database.write() as connection:
            was_first = await queries.stored(connection, upload_id, key, sha256, now())
        if not was_first:
            await asyncio.to_thread(self._storage.delete, key)
            raise ConflictError("The file is there already.")
        return sha256


def upload_path(upload_id: str) -> str:
    """Returns the path of an upload under the server's address."""
    return f"/uploads/{upload_id}"


async def _write(writing: Writing, body: AsyncIterator[bytes], row: UploadRow) -> str:
    """Writes a body a block at a time, and returns its sha256."""
    digest = hashlib.sha256()
    waiting, size = bytearray(), 0
    async for piece in body:
        size += len(piece)
        if size > row.byte_size:
            raise PayloadTooLargeError(f"There are more than the {row.byte_size} bytes that were said.")
        waiting += piece
        if len(waiting) >= BLOCK:
            await asyncio.to_thread(_take, writing, digest, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(_take, writing, digest, bytes(waiting))
    if size < row.byte_size:
        raise InvalidInputError(f"There are {size} bytes, not the {row.byte_size} that were said.")
    found = digest.hexdigest()
    if row.sha256 not in (None, found):
        raise InvalidInputError(f"The sha256 is {found}, not the one that was said.")
    return found


def _take(writing: Writing, digest: hashlib._Hash, block: bytes) -> None:
    digest.update(block)
    writing.write(block)


def _check(filename: str, byte_size: int, sha256: str | None) -> None:
    if not 1 <= len(filename) <= MAX_FILENAME or not filename.isprintable() or "/" in filename:
        message = f"A filename has 1 to {MAX_FILENAME} printable characters and no slash."
        raise InvalidInputError(message, path=("input", "filename"), constraint=f"maxLength: {MAX_FILENAME}")
    if not 1 <= byte_size <= MAX_BYTES:
        refusal, constraint = InvalidInputError, "minimum: 1"
        if byte_size > MAX_BYTES:
            refusal, constraint = PayloadTooLargeError, f"maximum: {MAX_BYTES}"
        message = f"A file has 1 to {MAX_BYTES} bytes."
        raise refusal(message, path=("input", "byteSize"), constraint=constraint, received=byte_size)
    if sha256 is not None and not SHA256.fullmatch(sha256):
        message = "The sha256 is 64 lowercase hexadecimal digits."
        raise InvalidInputError(message, path=("input", "sha256"), constraint=SHA256.pattern)
