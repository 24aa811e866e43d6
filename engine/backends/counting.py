"""TokenCounter: how many tokens a text is, where nobody else has counted them."""

from __future__ import annotations

from tokenizers import Tokenizer

from engine.backends.transformer import read_tokenizer
from engine.values import Usage, UsageSource

BYTES_PER_TOKEN = 4


class TokenCounter:
    """Counts with a model's `tokenizer.json`, or estimates four bytes to a token."""

    def __init__(self, tokenizer: Tokenizer | None) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def open(cls, path: str | None) -> TokenCounter:
        """Returns a counter for the tokenizer at a path, or one that estimates. Blocks.

        Raises:
            ModelError: the file is missing or broken.
        """
        return cls(None if path is None else read_tokenizer(path))

    def count(self, prompt: str, text: str | None = None) -> Usage:
        """Returns the usage of a prompt and of what was generated. Takes about 1 ms for 2 KiB."""
        tokenizer = self._tokenizer
        if tokenizer is None:
            return self.estimate(prompt, text)
        return Usage(
            UsageSource.COUNTED,
            input_tokens=len(tokenizer.encode(prompt).ids),
            output_tokens=None if text is None else len(tokenizer.encode(text, add_special_tokens=False).ids),
        )

    def estimate(self, prompt: str, text: str | None = None) -> Usage:
        """Returns about the same, at once."""
        return Usage(
            UsageSource.ESTIMATED,
            input_tokens=_estimated(prompt),
            output_tokens=None if text is None else _estimated(text),
        )


def _estimated(text: str) -> int:
    return -(-len(text.encode()) // BYTES_PER_TOKEN)
