"""What every storage does: the same tests for each of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from engine.storage.base import BLOCK, MissingFileError, Storage, StorageError, write_whole
from engine.storage.bucket import BucketStorage
from engine.storage.directory import DirectoryStorage
from engine.storage.opened import open_storage
from tests.engine.storage.s3_server import running_bucket


@pytest.fixture(params=["memory", "directory", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "memory":
        yield BucketStorage(MemoryStore())
    elif request.param == "directory":
        yield DirectoryStorage(tmp_path / "files")
    else:
        with running_bucket() as bucket:
            yield open_storage(bucket.url, tmp_path)


def test_a_file_is_read_back_as_it_was_written(storage: Storage) -> None:
    writing = storage.create("jobs/a.jsonl")
    writing.write(b"one ")
    writing.write(b"two")
    writing.commit()

    assert b"".join(storage.blocks("jobs/a.jsonl")) == b"one two"
    assert storage.read("jobs/a.jsonl", 4, 7) == b"two"
    assert storage.read("jobs/a.jsonl", 4, 100) == b"two"


def test_a_large_file_comes_in_blocks(storage: Storage) -> None:
    data = bytes(range(256)) * (20 * BLOCK // 256) + b"end"  # three parts of a multipart upload
    write_whole(storage, "large", data)

    blocks = list(storage.blocks("large"))

    assert b"".join(blocks) == data
    assert len(blocks) > 1
    assert max(map(len, blocks)) <= BLOCK


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


def test_a_bucket_gets_large_files_in_parts_under_its_prefix(tmp_path: Path) -> None:
    with running_bucket() as bucket:
        storage = open_storage(bucket.url, tmp_path)
        write_whole(storage, "jobs/a", b"x" * 20 * BLOCK)
        half = storage.create("jobs/b")
        half.write(b"x" * 20 * BLOCK)
        half.discard()

        assert {key: len(value) for key, value in bucket.objects.items()} == {
            "some/prefix/jobs/a": 20 * BLOCK
        }


def test_a_bucket_that_refuses_is_told_without_its_secrets(tmp_path: Path) -> None:
    with running_bucket() as bucket:
        storage = open_storage(bucket.url, tmp_path)
        bucket.is_down = True

        with pytest.raises(StorageError) as raised:
            storage.read("a", 0, 1)

    assert not isinstance(raised.value, MissingFileError)
    assert "secret" not in str(raised.value)


def test_a_url_names_a_directory(tmp_path: Path) -> None:
    write_whole(open_storage(f"file://{tmp_path}/a%20b", tmp_path), "c", b"x")

    assert (tmp_path / "a b" / "c").read_bytes() == b"x"
