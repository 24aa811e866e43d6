"""The limits of the transports, with the defaults a deployment starts with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """Seconds and bytes, unless said otherwise."""

    max_body: int = 1024 * 1024
    """An HTTP body, and one message of a socket."""
    body_timeout: float = 10.0
    """How long a client may take to send its body."""
    heartbeat: float = 12.0
    """The longest silence of an event stream; proxies cut one off after 30 to 60 s."""
    init_timeout: float = 5.0
    """How long a socket may stay open without `connection_init`."""
    operations_per_socket: int = 100
    """Queries, mutations and subscriptions running at once."""
    sockets_per_address: int = 100
    """Sockets and event streams open at once; so is the next one."""
    sockets_per_key: int = 100
    unprocessable_status: int = 422
    """For what is understood but can not be run; 400 for clients that follow drafts before September 2026."""
    partial_status: int = 200
    """For data that comes with errors; the specification would have 294, which proxies may not know."""
    allowed_origins: tuple[str, ...] = ()
    """Pages of other origins that may open sockets, such as "https://app.example.com"; "*" is any."""
