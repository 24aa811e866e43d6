"""Commits: how many there were, and how many transactions shared them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Commits:
    """Counters since the database was opened; `transactions / commits` is the size of a group."""

    commits: int = 0
    transactions: int = 0

    def add(self, members: int) -> None:
        """Counts a commit that made so many transactions durable."""
        self.commits += 1
        self.transactions += members
