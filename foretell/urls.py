"""The URLs among the settings: which are understood, and how they are shown."""

from __future__ import annotations

import re


def allowed_redis_url(value: object) -> object:
    """Lets the URLs of a Redis server pass.

    Raises:
        ValueError: it is another URL.
    """
    return _starting(
        value, ("redis://", "rediss://", "unix://"), "redis://host:6379/0, rediss://… or unix://…"
    )


def allowed_storage_url(value: object) -> object:
    """Lets the URLs of a place for files pass.

    Raises:
        ValueError: it is another URL.
    """
    return _starting(value, ("s3://", "file:///"), "s3://bucket/prefix or file:///directory")


def masked(url: str) -> str:
    """Returns a URL that can be shown: without user, password, and secrets among its parameters."""
    shown = re.sub(r"://.*@", "://***@", url)
    return re.sub(r"((?:password|secret|token|key)[^=&]*=)[^&]*", r"\1***", shown, flags=re.IGNORECASE)


def _starting(value: object, schemes: tuple[str, ...], allowed: str) -> object:
    if isinstance(value, str) and not value.startswith(schemes):
        raise ValueError(f"must be {allowed}")
    return value
