"""Opening the ports that a process listens on."""

from __future__ import annotations

import socket

from foretell.errors import OperatorError

BACKLOG = 2048


class PortError(OperatorError):
    """A port can not be opened. The message is one line that names the setting."""


def listening(host: str, port: int, setting: str) -> socket.socket:
    """Returns a socket that listens, so that whoever connects from now on is heard.

    Raises:
        PortError: somebody else has the port, or this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PortError(f"{setting}: {host}:{port} can not be opened: {error.strerror}") from error
    listener.setblocking(False)
    return listener
