"""Keeps the tests from opening sockets to anything but this machine."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

NAMES = {None, "", "localhost", b"localhost"}


class OutsideError(RuntimeError):
    """A test tried to reach another machine."""


def refuse_other_hosts(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook (PEP 578): it sees every socket that Python opens, also those of a library's own making.

    Raises:
        OutsideError: a socket connects to, or a name is looked up of, another machine.
    """
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        _check(arguments[1][0])
    elif event == "socket.getaddrinfo":
        _check(arguments[0])


def _check(host: Any) -> None:
    if host in NAMES:
        return
    try:
        address = ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        raise OutsideError(f"Tests look no names up: {host!r}.") from None
    if not (address.is_loopback or address.is_unspecified):
        raise OutsideError(f"Tests stay on this machine: {address}.")
