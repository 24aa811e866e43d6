"""The text the storyteller learns from: Jane Austen's six novels, in the public domain.

Debian carries them: ``apt-get install r-cran-janeaustenr``, which brings the `Rscript` used here, too.
"""

import re
import subprocess
from dataclasses import dataclass
from functools import cache

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END = "<|end|>"  # stands between chapters: begins every text and ends it
READ_NOVELS = r"""
books <- janeaustenr::austen_books()
for (book in split(books$text, books$book)) cat(book, "\f", sep = "\n")
"""
CHAPTER = re.compile(r"^\s*chapter (?:\d+|[IVXL]+)\s*$", re.IGNORECASE | re.MULTILINE)
NO_PROSE = re.compile(r"[*\s]+|\[.*|volume [IVX]+|(?:the end|finis)\.?", re.IGNORECASE)
HELD_OUT_EVERY = 27  # chapters; 27 spreads ten over the six novels


@dataclass(frozen=True, slots=True)
class Novels:
    """Chapters for training and chapters held out."""

    train: list[str]
    held_out: list[str]


def chapter_text(raw: str) -> str:
    """One chapter with each paragraph on one line, an empty line between, no emphasis marks, no headings."""
    paragraphs = (re.sub(r"\s+", " ", block).strip() for block in re.split(r"\n\s*\n", raw))
    return "\n\n".join(
        paragraph.replace("_", "")
        for paragraph in paragraphs
        if paragraph and not NO_PROSE.fullmatch(paragraph)
    )


@cache
def read_novels() -> Novels:
    """All chapters in the order of publication; raises CalledProcessError without the Debian package."""
    raw = subprocess.run(
        ["Rscript", "--vanilla", "-e", READ_NOVELS], check=True, capture_output=True, text=True
    ).stdout
    chapters = [
        chapter_text(chapter)
        for book in raw.split("\f\n")
        if book.strip()
        for chapter in CHAPTER.split(book)[1:]
    ]
    held_out = chapters[HELD_OUT_EVERY // 2 :: HELD_OUT_EVERY]
    kept = set(held_out)
    return Novels([chapter for chapter in chapters if chapter not in kept], held_out)


def train_tokenizer(texts: list[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE of `vocabulary` tokens, of which `END` is number 0; any UTF-8 text can be encoded."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode_chapters(tokenizer: Tokenizer, chapters: list[str]) -> list[int]:
    """All chapters as one row of token ids, `END` before each and after the last."""
    end = tokenizer.token_to_id(END)
    assert end is not None
    ids = [end]
    for encoding in tokenizer.encode_batch(chapters):
        ids += [*encoding.ids, end]
    return ids
