"""Authenticator: who sends a request, by whatever credential."""

from __future__ import annotations

from db.session import Database
from engine.errors import UnauthenticatedError
from engine.identity.api_keys import ApiKeys
from engine.identity.guesses import Guesses
from engine.identity.last_used import LastUsed
from engine.key_secrets import prefix_of
from engine.values import Viewer


class Authenticator:
    """Knows every kind of credential."""

    def __init__(self, database: Database) -> None:
        self.last_used = LastUsed(database)
        self.guesses = Guesses()
        self._api_keys = ApiKeys(database)

    async def viewer(self, credential: str, address: str) -> Viewer:
        """Returns whom a credential belongs to that came from an address.

        Raises:
            UnauthenticatedError: it is wrong, expired or revoked.
            TooManyAttemptsError: too many wrong ones came from there; this one was not looked at.
            DatabaseUnavailableError: nobody can tell now.
        """
        name = prefix_of(credential)
        self.guesses.require_room(address, name, credential)
        try:
            viewer = await self._api_keys.viewer(credential)
        except UnauthenticatedError:
            self.guesses.wrong(address, name)
            raise
        self.guesses.right(credential)
        if viewer.api_key_id is not None:
            self.last_used.note(viewer.api_key_id)
        return viewer
