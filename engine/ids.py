"""Global ids: by which the world outside knows rows."""

from __future__ import annotations

import base64


def global_id(type_name: str, row_id: str) -> str:
    """Returns the global id of a row of a GraphQL type; clients do not look into it."""
    return base64.urlsafe_b64encode(f"{type_name}:{row_id}".encode()).decode().rstrip("=")
