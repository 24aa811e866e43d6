"""Authenticator: who sends a request, by whatever credential."""

from __future__ import annotations

from db.session import Database
from engine.errors import UnknownCredentialError
from engine.identity.api_keys import ApiKeys
from engine.identity.guesses import Guesses
from engine.identity.issuers import Trust
from engine.identity.last_used import LastUsed
from engine.identity.sessions import Sessions
from engine.identity.tokens import headers_of
from engine.key_secrets import hash_of, prefix_of
from engine.values import Viewer


class Authenticator:
    """Knows every kind of credential."""

    def __init__(
        self, database: Database, guesses: Guesses, sessions: Sessions, trust: Trust | None = None
    ) -> None:
        self.last_used = LastUsed(database)
        self._database = database
        self._trust = trust
        self._guesses = guesses
        self._api_keys = ApiKeys(database)
        self._sessions = sessions

    async def viewer(self, credential: str, address: str) -> Viewer:
        """Returns whom a credential belongs to that came from an address.

        Raises:
            UnauthenticatedError: it is wrong, expired or revoked.
            TooManyAttemptsError: too many wrong ones came from there; this one was not looked at.
            IssuerAwayError: it is of an issuer that does not answer.
            DatabaseUnavailableError: nobody can tell now.
        """
        headers = headers_of(credential)
        if headers is not None:
            if self._trust is None or self._sessions.made(headers):
                return await self._sessions.viewer(credential)
            return await self._trust.viewer(credential, headers, self._database)
        name, digest = prefix_of(credential), hash_of(credential)
        self._guesses.require_room(address, name, digest)
        try:
            viewer = await self._api_keys.viewer(credential, digest)
        except UnknownCredentialError:
            self._guesses.wrong(address, name)
            raise
        self._guesses.right(digest)
        self.last_used.note(viewer.holder)
        return viewer
