"""Room: how long a prompt a text model can read, told before it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Room:
    """What a model can hold at once.

    `tokens` is how many, prompt and answer together; `count` says how many a prompt is read as. No token
    stands for more than `longest` bytes of a prompt; None where that is not known.
    """

    tokens: int
    count: Callable[[str], int]
    longest: int | None = None

    def check(self, prompt: str, path: tuple[str, ...]) -> list[InvalidInputError]:
        """Returns what is wrong with a prompt at `path`: that it leaves no room for an answer.

        A prompt that is far too long is not counted: that would take 100 ms for 256 KiB.
        """
        least = -(-len(prompt.encode()) // self.longest) if self.longest else 0
        found = least if least >= self.tokens else self.count(prompt)
        if found < self.tokens:
            return []
        return [
            InvalidInputError(
                f"The prompt has {'at least ' if found is least else ''}{found} tokens; the model can hold "
                f"{self.tokens}, prompt and answer together. Shorten it to {self.tokens - 1}.",
                path=path,
                constraint=f"maxTokens: {self.tokens - 1}",
                received=found,
            )
        ]
