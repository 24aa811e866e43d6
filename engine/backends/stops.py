"""StopFilter: ends a text before the first of some stop texts, of which nothing is ever shown.

The first is the one that is complete first, and of those the longest: what is shown does not depend on
the pieces in which the text comes.
"""

from __future__ import annotations

from collections.abc import Sequence


class StopFilter:
    """Lets a text through piece by piece, but for an end that may yet become a stop text."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False

    def feed(self, piece: str) -> str:
        """Returns what can be shown now that `piece` has come; nothing once a stop text was found."""
        if self.stopped:
            return ""
        text = self._held + piece
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)[1]]
        kept = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def flush(self) -> str:
        """Returns what was held back, at the end of a text that no stop text ended."""
        rest, self._held = self._held, ""
        return rest


def _overlap(text: str, stop: str) -> int:
    """Returns how many characters at the end of a text may be the beginning of a stop text."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
