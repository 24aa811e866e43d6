"""What all backends have to say of a model server: where it is, whose key it takes, how long to wait."""

from __future__ import annotations

import os
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from engine.errors import ModelError

OWN_SETTINGS = "FORETELL_"

# What every parser of URLs understands in the same way.
PLAIN = re.compile(
    r"https?://(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[\w.~!$&'()*+,;:@%/-]*)?", re.ASCII
)


def _plain_url(value: str) -> str:
    if not PLAIN.fullmatch(value) or not _has_port(value):
        raise ValueError("must be http://host… or https://host…, without user, password, query or fragment")
    return value


def _has_port(value: str) -> bool:
    try:
        return urlsplit(value).port != 0
    except ValueError:
        return False


def _foreign_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError("must be the name of an environment variable, not the key itself")
    if value.upper().startswith(OWN_SETTINGS):
        raise ValueError(
            f"must not begin with {OWN_SETTINGS}: no model server is to get Foretell's own secrets"
        )
    return value


ServerUrl = Annotated[str, Field(max_length=2000), AfterValidator(_plain_url)]
"""Where a server is."""

KeyEnv = Annotated[str, Field(max_length=200), AfterValidator(_foreign_name)]
"""The name of the environment variable that holds a server's key."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]


def read_key(name: str | None) -> str | None:
    """Returns the key that an environment variable holds, or None for a server that takes none.

    Raises:
        ModelError: the variable is missing, or holds what no header can; the message names the variable.
    """
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise ModelError(f"The environment variable {name}, which holds the key, is not set.")
    if not (key.isascii() and key.isprintable()):
        raise ModelError(f"The environment variable {name} holds no key: it has characters that no key has.")
    return key
