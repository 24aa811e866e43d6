"""Which storage a URL names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from engine.storage.base import Storage
from engine.storage.directory import DirectoryStorage


def open_storage(url: str | None, directory: Path) -> Storage:
    """Returns the storage at `file:///directory`; without a URL the one in a directory."""
    if url is None:
        return DirectoryStorage(directory)
    return DirectoryStorage(Path(unquote(urlsplit(url).path)))
