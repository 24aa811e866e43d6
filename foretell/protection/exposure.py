"""Exposure: what an operator should know who lets others than this machine reach the server."""

from __future__ import annotations

from foretell.protection.hosts import is_local
from foretell.settings import Settings


def warnings_of(settings: Settings) -> list[str]:
    """Returns a line for each thing that is not safe outside of one machine; none for a loopback address."""
    if is_local(settings.host):
        return []
    found = []
    if not (settings.public_url or "").startswith("https://"):
        found.append(
            f"Keys would travel to {settings.host} in plain sight: put a proxy that ends TLS in front, and "
            "its address, https://…, into FORETELL_PUBLIC_URL."
        )
    if settings.secret is None:
        found.append("FORETELL_SECRET is not set: the database keeps what links are signed with.")
    return [f"Warning: {line}" for line in found]
