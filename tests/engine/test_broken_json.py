"""What is said of text that should be JSON."""

import gzip

import orjson
import pytest

from engine.broken_json import told_broken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "It is nested too deeply to be read (column 1026)."),
        (b"[1,\n 2,,]", "It is not JSON: unexpected character, expected a JSON value (line 2, column 4)."),
        ('["é",,]'.encode(), "It is not JSON: unexpected character, expected a JSON value (column 6)."),
        (gzip.compress(b"{}"), "It is not JSON: it is not UTF-8 text. Is it compressed?"),
    ],
)
def test_it_is_said_what_is_wrong_and_where(text: bytes, said: str) -> None:
    with pytest.raises(orjson.JSONDecodeError) as broken:
        orjson.loads(text)

    assert told_broken(broken.value, "It") == said
