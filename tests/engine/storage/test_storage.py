"""What every storage does: the same tests for each of them."""

from pathlib import Path

import pytest

from engine.storage.base import BLOCK, MissingFileError, Storage, StorageError, write_whole
from engine.storage.directory import DirectoryStorage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return DirectoryStorage(tmp_path / "files")


def test_a_file_is_read_back_as_it_was_written(storage: Storage) -> None:
    writing = storage.create("jobs/a.jsonl")
    writing.write(b"one ")
    writing.write(b"two")
    writing.commit()

    assert b"".join(storage.blocks("jobs/a.jsonl")) == b"one two"
    assert storage.read("jobs/a.jsonl", 4, 7) == b"two"
    assert storage.read("jobs/a.jsonl", 4, 100) == b"two"


def test_a_large_file_comes_in_blocks(storage: Storage) -> None:
    data = bytes(range(256)) * (3 * BLOCK // 256) + b"end"
    write_whole(storage, "large", data)

    blocks = list(storage.blocks("large"))

    assert b"".join(blocks) == data
    assert len(blocks) > 1
    assert max(map(len, blocks)) <= 16 * BLOCK


def test_a_file_is_not_there_before_it_is_whole(storage: Storage) -> None:
    writing = storage.create("a")
    writing.write(b"half")

    with pytest.raises(MissingFileError):
        storage.read("a", 0, 4)
    writing.discard()


def test_what_is_discarded_never_was(storage: Storage) -> None:
    write_whole(storage, "a", b"before")
    writing = storage.create("a")
    writing.write(b"x" * 3 * BLOCK)

    writing.discard()
    writing.discard()

    assert storage.read("a", 0, 100) == b"before"


def test_what_is_deleted_is_gone_and_may_be_deleted_again(storage: Storage) -> None:
    write_whole(storage, "a/b", b"x")

    storage.delete("a/b")
    storage.delete("a/b")

    with pytest.raises(MissingFileError):
        list(storage.blocks("a/b"))


def test_an_empty_file_is_a_file(storage: Storage) -> None:
    write_whole(storage, "empty", b"")

    assert list(storage.blocks("empty")) == []
    assert storage.read("empty", 0, 10) == b""


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/etc/passwd"])
def test_a_key_does_not_lead_out_of_the_directory(tmp_path: Path, key: str) -> None:
    storage = DirectoryStorage(tmp_path / "files")

    with pytest.raises(StorageError, match="not a key"):
        storage.read(key, 0, 1)


def test_a_directory_keeps_no_piece_of_what_was_discarded(tmp_path: Path) -> None:
    writing = DirectoryStorage(tmp_path).create("a")
    writing.write(b"x" * 3 * BLOCK)

    writing.discard()

    assert list(tmp_path.iterdir()) == []
