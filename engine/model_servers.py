"""ModelServers: which model servers the versions that projects register may call, and with whose key.

An operator's own versions, from the registry file, may call any. What a project names could be a host
behind the firewall, or one that collects keys: so it may name only what the operator wrote down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from engine.errors import InvalidInputError

SETTING = "FORETELL_MODEL_SERVERS"
PORTS = {"http": 80, "https": 443}
PATH = ("input", "backend")


@dataclass(frozen=True, slots=True)
class AllowedServer:
    """A URL below which models may be called, and the name of the variable with its key, if it takes one."""

    url: SplitResult
    key_env: str | None

    @classmethod
    def of(cls, entry: str) -> AllowedServer:
        """Returns the server that an entry of the setting names: `https://host/v1=NAME_OF_THE_KEY`."""
        url, _, key_env = entry.partition("=")
        return cls(urlsplit(url), key_env or None)

    def holds(self, url: SplitResult) -> bool:
        """Tells whether a URL is this one or below it."""
        own, path = self.url.path.rstrip("/"), url.path.rstrip("/")
        return _origin(url) == _origin(self.url) and (path == own or path.startswith(f"{own}/"))


class ModelServers:
    """The servers of the setting; none if nothing is set."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._allowed = [AllowedServer.of(entry) for entry in entries]

    def check(self, member: str, field: str, url: str, key_env: str | None) -> None:
        """Returns if a project's version may call a URL with a key.

        `member` and `field` are where the URL stands in the `backend` input.

        Raises:
            InvalidInputError: it may not; which servers there are is not told.
        """
        parts = urlsplit(url)
        path = unquote(parts.path).split("/")
        servers = [server for server in self._allowed if server.holds(parts)]
        if not servers or "." in path or ".." in path or "%" in parts.path:
            raise InvalidInputError(
                f"The operator has not allowed this model server: {SETTING} names those that are.",
                path=(*PATH, member, field),
                constraint=SETTING,
                received=url,
            )
        if key_env is not None and all(server.key_env != key_env for server in servers):
            raise InvalidInputError(
                f"The operator has not allowed this key for this server: {SETTING} names those that are.",
                path=(*PATH, member, "apiKeyEnv"),
                constraint=SETTING,
                received=key_env,
            )


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or PORTS.get(url.scheme)
