"""AllowedHosts: refuses requests for a name that is not the server's.

A page of evil.example can have its own name point to 127.0.0.1 and so speak to a server on the reader's
machine as if it were its own (DNS rebinding). The Host header still says evil.example.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from foretell.refusals import refusal
from foretell.settings import Settings

MISDIRECTED = 421
REMEMBERED = 256
"""How many Host headers are known: clients send the same one every time."""


class AllowedHosts:
    """The names of the server. Addresses pass: no name is behind them that could be made to point here."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(name for name in names if not name.startswith("*."))
        self._endings = tuple(name[1:] for name in names if name.startswith("*."))
        self._is_ours = lru_cache(REMEMBERED)(self._look_at)

    def allow(self, scope: Scope) -> bool:
        """Tells whether a request or a handshake is for the server."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        return len(hosts) == 1 and self._is_ours(hosts[0])  # who stands before us may have gone by another

    async def refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 421, or closes a socket that can not be answered so."""
        if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
            message = "This server does not answer to that name: name it in FORETELL_ALLOWED_HOSTS."
            answer = refusal(Headers(scope=scope), MISDIRECTED, "FORBIDDEN", message)
            await answer(scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    def _look_at(self, host: bytes) -> bool:
        name = host_name(host.decode("latin-1"))
        return name in self._names or name.endswith(self._endings) or _is_address(name)


def allowed_hosts(settings: Settings, host: str) -> Collection[str] | None:
    """Returns the names that a server which listens on `host` answers to; None where it answers to all.

    On a loopback address it is for programs of the same machine, so it answers to local names only, and to
    those that the settings name.
    """
    if not settings.allowed_hosts and not is_local(host):
        return None
    named = {host, *settings.allowed_hosts}
    if settings.public_url is not None:
        named.add(urlsplit(settings.public_url).hostname or "")
    return {name.lower() for name in named} | {"localhost", "*.localhost"}


def is_local(host: str) -> bool:
    """Tells whether an address is one that only programs of the same machine reach."""
    return host == "localhost" or (_is_address(host) and ip_address(host.strip("[]")).is_loopback)


def host_name(host: str) -> str:
    """Returns the name or address of a Host header without its port, in lower case; "" for none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
