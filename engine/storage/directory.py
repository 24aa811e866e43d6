"""DirectoryStorage: files in a directory of this machine, or one that all processes have mounted."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from engine.storage.base import BLOCK, MissingFileError, StorageError


class DirectoryStorage:
    """Keeps each file under its key. What is being written has another name until it is whole."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, key: str) -> DirectoryWriting:
        """See `Storage`."""
        with _translated(key):
            path = self._path(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            return DirectoryWriting(path)

    def read(self, key: str, start: int, end: int) -> bytes:
        """See `Storage`."""
        with _translated(key), self._path(key).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def blocks(self, key: str) -> Iterator[bytes]:
        """See `Storage`."""
        with _translated(key), self._path(key).open("rb") as file:
            while block := file.read(BLOCK):
                yield block

    def delete(self, key: str) -> None:
        """See `Storage`."""
        with _translated(key):
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        path = self._root / key
        if ".." in path.parts or not path.is_relative_to(self._root):
            raise StorageError(f"{key!r} is not a key.")
        return path


class DirectoryWriting:
    """A file beside its final place, renamed there when it is whole and on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        self._file: BinaryIO = self._partial.open("wb", buffering=BLOCK)

    def write(self, data: bytes) -> None:
        """See `Writing`."""
        with _translated(self._path.name):
            self._file.write(data)

    def commit(self) -> None:
        """See `Writing`."""
        with _translated(self._path.name):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._partial.replace(self._path)
            _sync_directory(self._path.parent)

    def discard(self) -> None:
        """See `Writing`."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._partial.unlink(missing_ok=True)


def _sync_directory(path: Path) -> None:
    """Makes the new name last: a rename is on the disk when the directory is."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise MissingFileError(f"There is no file {key!r}.") from None
    except OSError as error:
        raise StorageError(f"The file {key!r} can not be used: {error.strerror}.") from error
