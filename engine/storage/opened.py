"""Which storage a URL names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from engine.storage.base import Storage
from engine.storage.bucket import BucketStorage
from engine.storage.directory import DirectoryStorage


def open_storage(url: str | None, directory: Path) -> Storage:
    """Returns the storage at `s3://bucket/prefix` or `file:///directory`; without a URL a directory's."""
    if url is None:
        return DirectoryStorage(directory)
    if url.startswith("s3://"):
        return BucketStorage.at(url)
    return DirectoryStorage(Path(unquote(urlsplit(url).path)))
