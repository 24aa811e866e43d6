"""Global ids: by which the world outside knows rows."""

from __future__ import annotations

from binascii import b2a_base64


def global_id(type_name: str, row_id: str) -> str:
    """Returns the global id of a row of a GraphQL type; clients do not look into it."""
    # of letters, digits and a colon no "+" or "/" can come: this is the URL-safe alphabet
    return b2a_base64(f"{type_name}:{row_id}".encode(), newline=False).rstrip(b"=").decode()
