from pathlib import Path

from tokenizers import Regex, Tokenizer
from tokenizers.normalizers import Replace

from engine.backends.transformer import TextModel
from engine.room import Room
from tests.engine.text_files import parrot


def test_a_text_model_tells_how_long_a_prompt_may_be(tmp_path: Path) -> None:
    room = TextModel.open(parrot(tmp_path, "Polly", context=8).config).room

    assert [room.check(prompt, ()) for prompt in ("?" * 7, "é" * 3)] == [[], []]
    assert [problem.received for prompt in ("?" * 8, "é" * 4) for problem in room.check(prompt, ())] == [8, 8]


def test_a_prompt_that_is_far_too_long_is_not_counted() -> None:
    counted: list[str] = []

    def count(prompt: str) -> int:
        counted.append(prompt)
        return 0

    (problem,) = Room(8, count, longest=10).check("x" * 80, ())

    assert problem.message.startswith("The prompt has at least 8 tokens")
    assert counted == []


def test_every_prompt_is_counted_where_the_tokenizer_rewrites_it(tmp_path: Path) -> None:
    spec = parrot(tmp_path, "Polly", context=8)
    tokenizer = Tokenizer.from_file(spec.config["tokenizer"])
    tokenizer.normalizer = Replace(Regex(" +"), " ")
    tokenizer.save(spec.config["tokenizer"])

    room = TextModel.open(spec.config).room

    assert room.check("a" + " " * 1000 + "b", ()) == []
