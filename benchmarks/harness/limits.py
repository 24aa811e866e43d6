"""How many files and sockets a process may have open."""

from __future__ import annotations

import resource


def allow_files() -> int:
    """Lets this process and those it starts open as many as the system allows, and returns how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
