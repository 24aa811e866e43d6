"""Which addresses a webhook may go to: public ones, looked at again at every connection.

A name is resolved once for an attempt, every address it has is judged, and the connection goes to one
that was judged, so a name that changes its answer meanwhile gains nothing. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

import httpx

from engine.errors import InvalidInputError

MOST_HOST = 255
# Addresses within which others hide: NAT64 (RFC 6052, RFC 8215), 6to4, Teredo.
_HIDING = [
    ipaddress.ip_network(network) for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
]


class ForbiddenAddressError(Exception):
    """The address is not a public one."""


def is_public(address: str) -> bool:
    """Tells whether an IP address is one of the public internet, and hides none that is not."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if any(ip in network for network in _HIDING):
            return False
    return ip.is_global and not ip.is_multicast


def host_of(url: str) -> str:
    """Returns the host that a URL names, in lower case; empty if it names none."""
    return (urlsplit(url).hostname or "")[:MOST_HOST]


def check_url(url: str, allowed_hosts: Collection[str]) -> None:
    """Returns if a callback URL can be accepted, before anything is resolved.

    Raises:
        InvalidInputError: it is not http or https, or names an address that is not public.
    """
    try:
        target = httpx.URL(url)  # as the sender will take it
    except httpx.InvalidURL:
        target = httpx.URL("")
    host = target.raw_host.decode().lower().rstrip(".")
    if target.scheme not in ("http", "https") or not host or "%" in host:
        raise InvalidInputError("A callbackUrl is an http or https URL.", path=("input", "callbackUrl"))
    if host in allowed_hosts:
        return
    try:
        literal = socket.inet_ntoa(socket.inet_aton(host))  # also 2130706433 and 0x7f.1
    except OSError:
        literal = host
    try:
        public = is_public(literal)
    except ValueError:
        public = host.lower() != "localhost" and not host.lower().endswith(
            (".localhost", ".internal", ".local")
        )
    if not public:
        message = "A callbackUrl does not go to a private, loopback or link-local address."
        raise InvalidInputError(message, path=("input", "callbackUrl"), received=host)


async def resolve(host: str, port: int, allowed_hosts: Collection[str]) -> str:
    """Returns the address to connect to.

    Raises:
        ForbiddenAddressError: one of the name's addresses is not public.
        OSError: the name has no address.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if host not in allowed_hosts:
        for address in addresses:
            if not is_public(address):
                raise ForbiddenAddressError(f"{host} is at {address}, which is not a public address")
    return addresses[0]
