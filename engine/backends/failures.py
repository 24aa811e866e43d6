"""How model servers fail, whatever they speak, and what of their messages may be passed on."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz

from engine.errors import ModelError

MAX_MESSAGE = 500
MAX_RETRY_AFTER_SECONDS = 3600.0

# What looks like a credential, or like the name of the account that pays, in a server's message.
SECRETS = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|key|org|proj)[-_][\w*.…-]{4,}|\bBearer\s+\S+|\beyJ[\w-]+\.[\w.-]+",
    re.IGNORECASE,
)


class StalledError(ModelError):
    """The model server did not answer in time."""

    retryable = True


class UnreadableError(ModelError):
    """The model server gave an answer that can not be read."""

    retryable = True


def after_colon(message: object, key: str | None) -> str:
    """Returns what a server says, after a colon and without secrets; nothing for a page of HTML."""
    if not isinstance(message, str) or not message.strip() or "<" in message:
        return ""
    if key:
        message = message.replace(key, "***")
    message = " ".join(SECRETS.sub("***", message).split())
    message = "".join(character for character in message if character.isprintable())
    return f": {message[:MAX_MESSAGE].rstrip(' .')}"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds that a server asks to wait (RFC 9110, 10.2.3), at most an hour, or None."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            seconds = float(value) * unit
        except ValueError:
            date = parsedate_tz(value)
            if date is None:
                continue
            seconds = mktime_tz(date) - time.time()
        return min(max(0.0, seconds), MAX_RETRY_AFTER_SECONDS)  # in this order NaN becomes 0
    return None
