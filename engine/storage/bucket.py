"""BucketStorage: files in an S3-compatible bucket, by obstore (https://developmentseed.org/obstore).

What was begun and never finished stays in the bucket as an incomplete multipart upload, which nobody
sees: a lifecycle rule of the bucket (AbortIncompleteMultipartUpload) clears it away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import MemoryStore, S3Store

from engine.storage.base import BLOCK, MissingFileError, StorageError

PART = 8 * 1024 * 1024
PARTS_AT_ONCE = 2


class BucketStorage:
    """Keeps each file as an object under its key."""

    def __init__(self, store: S3Store | MemoryStore) -> None:
        self._store = store

    @classmethod
    def at(cls, url: str) -> BucketStorage:
        """Returns the storage at `s3://bucket/prefix`.

        Parameters of the URL say more: `endpoint`, `region`, `access_key_id`, `secret_access_key`, … What
        they leave out comes from the AWS_* variables, or the machine's role.
        """
        parts = urlsplit(url)
        given: dict[str, Any] = dict(parse_qsl(parts.query))
        plain = str(given.get("endpoint", "")).startswith("http://")
        store = S3Store(
            parts.netloc.rpartition("@")[2],
            prefix=parts.path.strip("/") or None,
            client_options={"allow_http": plain},
            **given,
        )
        return cls(store)

    def create(self, key: str) -> BucketWriting:
        """See `Storage`."""
        with _translated(key):
            return BucketWriting(self._store, key)

    def read(self, key: str, start: int, end: int) -> bytes:
        """See `Storage`."""
        if end <= start:
            return b""
        with _translated(key):
            size = obstore.head(self._store, key)["size"]
            if start >= size:
                return b""
            return bytes(obstore.get_range(self._store, key, start=start, end=min(end, size)))

    def blocks(self, key: str) -> Iterator[bytes]:
        """See `Storage`."""
        with _translated(key):
            for piece in obstore.get(self._store, key).stream(min_chunk_size=BLOCK):
                view = memoryview(piece)
                for start in range(0, len(view), BLOCK):
                    yield bytes(view[start : start + BLOCK])

    def delete(self, key: str) -> None:
        """See `Storage`."""
        with _translated(key), suppress(NotFoundError):
            obstore.delete(self._store, key)


class BucketWriting:
    """An object on its way: its parts are put as they fill, and are an object once it is closed."""

    def __init__(self, store: S3Store | MemoryStore, key: str) -> None:
        self._key = key
        self._file: Any = obstore.open_writer(store, key, buffer_size=PART, max_concurrency=PARTS_AT_ONCE)

    def write(self, data: bytes) -> None:
        """See `Writing`."""
        with _translated(self._key):
            self._file.write(data)

    def commit(self) -> None:
        """See `Writing`."""
        with _translated(self._key):
            self._file.close()

    def discard(self) -> None:
        """See `Writing`."""
        self._file = None


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except (NotFoundError, FileNotFoundError):
        raise MissingFileError(f"There is no file {key!r}.") from None
    except (BaseError, OSError) as error:
        raise StorageError(f"The file {key!r} can not be used: {type(error).__name__}.") from error
