"""Passwords: hashed with Argon2id beside the event loop, a few at a time.

A hash takes 64 MiB and some 50 ms of a core on purpose, so whoever could have many computed at once could
stop the process: two are computed at once, and at most 32 wait.
"""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from pwdlib import PasswordHash

from engine.errors import InvalidInputError, RateLimitedError

AT_ONCE = 2
WAITING = 32
MIN_LENGTH = 12
MAX_LENGTH = 256
BUSY_SECONDS = 2.0


class Passwords:
    """Makes and compares hashes of passwords."""

    def __init__(self, hasher: PasswordHash | None = None) -> None:
        self._hasher = hasher or PasswordHash.recommended()
        self._threads = ThreadPoolExecutor(AT_ONCE, "passwords")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Returns what is stored of a new password.

        Raises:
            InvalidInputError: it has fewer than 12 or more than 256 characters.
            RateLimitedError: too many are waiting.
        """
        if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
            message = f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters."
            raise InvalidInputError(message, path=("input", "password"))
        hashed, _ = await self._in_thread(password, None)
        return hashed or ""

    async def matches(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Tells whether a password is the one that a hash is of, and a better hash if there is one by now.

        It takes as long where there is no hash, so that nobody learns who has a password.

        Raises:
            RateLimitedError: too many are waiting.
        """
        if len(password) > MAX_LENGTH:
            password = ""  # as wrong as any, and no work
        better, genuine = await self._in_thread(password, stored if stored is not None else self._nobodys)
        return genuine and stored is not None, better

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, password: str, stored: str | None) -> tuple[str | None, bool]:
        if self._waiting >= AT_ONCE + WAITING:
            message = "Too many log in at this moment."
            raise RateLimitedError(message, retry_after_seconds=BUSY_SECONDS)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._compute, password, stored)
        finally:
            self._waiting -= 1

    def _compute(self, password: str, stored: str | None) -> tuple[str | None, bool]:
        password = unicodedata.normalize("NFKC", password)  # however a keyboard composes an ü
        if stored is None:
            return self._hasher.hash(password), True
        genuine, better = self._hasher.verify_and_update(password, stored)
        return better, genuine

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash("the password of nobody")
