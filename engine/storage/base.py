"""Storage: where files are kept, by key. Every method blocks: call it in a thread.

A file is written once, whole, and never changes; it is there for readers when `commit` returns, and
stays there through a power cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

BLOCK = 1024 * 1024
"""How many bytes a reader is given at once."""


class StorageError(Exception):
    """The place where files are kept does not work now, or does not have this file."""


class MissingFileError(StorageError):
    """There is no such file, and waiting will not bring it."""


class Writing(Protocol):
    """A file on its way in."""

    def write(self, data: bytes) -> None:
        """Adds bytes.

        Raises:
            StorageError: they could not be kept.
        """

    def commit(self) -> None:
        """Makes the file be there, in place of one of the same key.

        Raises:
            StorageError: it is not.
        """

    def discard(self) -> None:
        """Forgets what was written; never fails."""


class Storage(Protocol):
    """Keeps files. Keys are `jobs/…` and the like: letters, digits, `.`, `-`, `_` and `/`."""

    def create(self, key: str) -> Writing:
        """Begins a file.

        Raises:
            StorageError: the storage does not work now.
        """

    def read(self, key: str, start: int, end: int) -> bytes:
        """Returns the bytes of a file from `start` up to `end`, less where the file ends before.

        Raises:
            StorageError: there is no such file, or the storage does not work now.
        """

    def blocks(self, key: str) -> Iterator[bytes]:
        """Yields a file from its beginning, a MiB or so at a time.

        Raises:
            StorageError: there is no such file, or the storage does not work now.
        """

    def delete(self, key: str) -> None:
        """Deletes a file; one that is not there is deleted already.

        Raises:
            StorageError: the storage does not work now.
        """


def write_whole(storage: Storage, key: str, data: bytes) -> None:
    """Stores a file that is in memory.

    Raises:
        StorageError: it could not be kept.
    """
    writing = storage.create(key)
    try:
        writing.write(data)
        writing.commit()
    except BaseException:
        writing.discard()
        raise
