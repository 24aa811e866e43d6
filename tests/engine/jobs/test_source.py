import itertools
import tracemalloc
from collections.abc import Iterator

import orjson
import pytest

from engine.errors import InvalidInputError, ManyErrors
from engine.jobs import source
from engine.jobs.source import Place, Survey, read_items, survey
from engine.values import PredictionData

LINES = Place(("input", "source", "uploadId"))


def line(x: int, name: str | None = None) -> bytes:
    named = {} if name is None else {"customId": name}
    return orjson.dumps({**named, "data": {"tabular": {"records": [{"x": x}]}}})


def even(data: PredictionData) -> None:
    """Refuses odd numbers."""
    for index, record in enumerate(data.value["records"]):
        if record["x"] % 2:
            path = ("input", "data", "tabular", "records", index, "x")
            raise InvalidInputError("It is odd.", path=path, constraint="even", received=record["x"])


def anything(data: PredictionData) -> None:
    """Refuses nothing."""


def surveyed(
    data: bytes, check: object = anything, *, block: int = 7, chunk_items: int = 2, chunk_bytes: int = 10_000
) -> Survey:
    def blocks() -> Iterator[bytes]:
        return (data[start : start + block] for start in range(0, len(data), block))

    return survey(blocks, check, LINES, chunk_items=chunk_items, chunk_bytes=chunk_bytes)  # type: ignore[arg-type]


@pytest.mark.parametrize("block", [1, 7, 64, 10_000])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\n \r\n"])
@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\n\n\n"])
def test_the_parts_hold_every_item_once_and_in_order(block: int, start: bytes, ending: bytes) -> None:
    data = start + b"\r\n".join(line(x) for x in range(7)) + ending

    found = surveyed(data, block=block)

    items = [
        [item.data.value["records"][0]["x"] for item in read_items(data[p.start : p.end])]
        for p in found.parts
    ]
    assert (found.total, found.problems) == (7, [])
    assert items == [[0, 1], [2, 3], [4, 5], [6]]
    assert [(part.first, part.size) for part in found.parts] == [(0, 2), (2, 2), (4, 2), (6, 1)]


def test_a_part_ends_where_it_has_enough_bytes() -> None:
    most = 3 * len(line(0))

    found = surveyed(b"\n".join(line(x) for x in range(5)), chunk_items=100, chunk_bytes=most)

    assert [part.size for part in found.parts] == [2, 2, 1]


def test_problems_name_the_line_and_the_path() -> None:
    data = b"\n".join([line(0), line(1), b"", b"{", line(2)])

    found = surveyed(data, even)

    odd, broken = found.problems
    assert odd.path == ("input", "source", "uploadId", "2", "data", "tabular", "records", "0", "x")
    assert (odd.message, odd.constraint, odd.received) == ("Line 2: It is odd.", "even", 1)
    assert broken.path == ("input", "source", "uploadId", "4")
    assert broken.message.startswith("Line 4: This is not JSON")


def test_paths_of_inline_items_count_from_zero_and_messages_from_one() -> None:
    place = Place(("input", "source", "items"), "Item", 0)

    found = survey(lambda: iter([line(1)]), even, place, chunk_items=2)

    assert (found.problems[0].path or ())[:4] == ("input", "source", "items", "0")
    assert found.problems[0].message == "Item 1: It is odd."


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        (b"[]", (), "Line 1: It must be a JSON object, {…}."),
        (b"{}", ("data",), "required"),
        (b'{"data": {}}', ("data",), "exactly one"),
        (
            b'{"data": {"tabular": {"records": []}, "text": {"prompt": {"text": "x"}}}}',
            ("data",),
            "exactly one",
        ),
        (b'{"data": {"tabular": {"records": {}}}}', ("data", "tabular", "records"), "list"),
        (b'{"data": {"tabular": {"records": []}}, "x": 1}', ("x",), "not permitted"),
        (b'{"customId": "", "data": {"tabular": {"records": []}}}', ("customId",), "at least 1"),
        (b'{"customId": 7, "data": {"tabular": {"records": []}}}', ("customId",), "string"),
        (b'{"customId": "\\u0000", "data": {"tabular": {"records": []}}}', ("customId",), "NUL"),
        (b'{"data": {"tabular": {"records": [NaN]}}}', (), "not JSON"),
        (b'{"data": {"text": {"prompt": {}}}}', ("data", "text", "prompt"), "exactly one"),
    ],
)
def test_a_line_of_another_shape_is_refused(text: bytes, path: tuple[str, ...], said: str) -> None:
    (problem,) = surveyed(text).problems

    assert problem.path == (*LINES.path, "1", *path)
    assert said in problem.message


def test_a_name_that_is_there_twice_is_told_with_both_lines() -> None:
    names = ["a", "b", None, None, "a", "a"]

    found = surveyed(b"\n".join(line(0, name) for name in names))

    assert [problem.path for problem in found.problems] == [
        (*LINES.path, "5", "customId"),
        (*LINES.path, "6", "customId"),
    ]
    assert found.problems[0].message == "Line 5: its customId 'a' is that of line 1 already."


def test_names_with_the_same_hash_are_not_taken_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "hash", lambda name: 1, raising=False)

    assert surveyed(b"\n".join(line(0, name) for name in "abc")).problems == []


def test_at_most_a_hundred_problems_are_told() -> None:
    found = surveyed(b"\n".join(line(1) for _ in range(300)), even)

    assert len(found.problems) == 100
    with pytest.raises(ManyErrors):
        found.require_sound(LINES.path)


def test_a_source_without_items_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no item"):
        surveyed(b"\n \n").require_sound(LINES.path)


def test_more_items_than_a_job_may_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_ITEMS", 3)

    allowed = surveyed(b"\n".join(line(0) for _ in range(3)))
    refused = surveyed(b"\n".join(line(0) for _ in range(4)))

    assert (allowed.total, allowed.problems) == (3, [])
    assert [problem.constraint for problem in refused.problems] == ["maxItems: 3"]


def test_a_line_without_end_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_LINE", 1000)
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        for _ in itertools.count():
            taken += 100
            yield b"x" * 100

    found = survey(endless, anything, LINES, chunk_items=2)

    assert (found.problems[0].constraint, taken) == ("maxLength: 1000", 1100)


def test_memory_stays_flat_while_a_large_source_is_read() -> None:
    count = 50_000

    def blocks() -> Iterator[bytes]:
        for start in range(0, count, 1000):
            yield b"".join(line(0, f"name {x}") + b"\n" for x in range(start, start + 1000))

    tracemalloc.start()
    found = survey(blocks, anything, LINES, chunk_items=250)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found.total == count
    assert peak < 4_000_000  # the source has 4.3 MB; what is kept of a line is 16 bytes
