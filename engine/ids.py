"""Global ids: by which the world outside knows rows."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable
from functools import cache


def global_id(type_name: str, row_id: str) -> str:
    """Returns the global id of a row of a GraphQL type; clients do not look into it."""
    return global_ids(type_name)(row_id)


@cache
def global_ids(type_name: str) -> Callable[[str], str]:
    """Returns what makes the global ids of the rows of a type."""
    head = f"{type_name}:".encode()

    def global_id_of(row_id: str) -> str:
        # of letters, digits and a colon no "+" or "/" can come: this is the URL-safe alphabet
        return b2a_base64(head + row_id.encode(), newline=False).rstrip(b"=").decode()

    return global_id_of
