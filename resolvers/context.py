"""Context: what a resolver is given."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from db.session import Database
from engine.bus.base import Bus
from engine.catalog import Catalog
from engine.errors import UnauthenticatedError
from engine.identity.authenticator import Authenticator
from engine.identity.revocations import Revocations
from engine.identity.sessions import Sessions
from engine.jobs.service import Jobs
from engine.keys import Keys
from engine.limits.ceilings import Ceilings
from engine.limits.service import Limits
from engine.models import Models
from engine.predict import Predictor
from engine.routing.aliases import Aliases
from engine.routing.router import Router
from engine.runs import Runs
from engine.values import Viewer
from engine.versions import Versions
from engine.webhooks.outbox import Webhooks
from resolvers.loaders import Loaders


@dataclass(frozen=True, slots=True)
class Services:
    """What the process opened at its start, shared by all requests."""

    database: Database
    bus: Bus
    catalog: Catalog
    registry: Catalog
    """The same for those who only look: not older than their request, where `catalog` follows the serving."""
    router: Router
    aliases: Aliases
    predictor: Predictor
    keys: Keys
    authenticator: Authenticator
    revocations: Revocations
    sessions: Sessions
    jobs: Jobs
    webhooks: Webhooks
    runs: Runs
    limits: Limits
    ceilings: Ceilings
    models: Models
    versions: Versions


@dataclass(slots=True)
class Context:
    """One operation: who asks, and the loaders that gather its reads."""

    services: Services
    request_id: str
    viewer_or_none: Viewer | None
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the caller does not wait any more."""
    has_predicted: bool = False
    """Whether the operation has asked for a prediction; each more counts as a request of its own."""
    address: str = ""
    """Where the caller's connection comes from."""
    _loaders: Loaders | None = field(default=None, init=False)

    @property
    def loaders(self) -> Loaders:
        """What gathers its reads, made at the first use: most events of a subscription read nothing."""
        if self._loaders is None:
            viewer = self.viewer_or_none
            project_id, models = (viewer.project_id, viewer.models) if viewer else ("", None)
            self._loaders = Loaders(self.services.database, self.services.registry, project_id, models)
        return self._loaders

    @property
    def viewer(self) -> Viewer:
        """Who is asking.

        Raises:
            UnauthenticatedError: nobody is known.
        """
        if self.viewer_or_none is None:
            raise UnauthenticatedError
        return self.viewer_or_none

    def renew_loaders(self) -> None:
        """Forgets what was read, when that was shown."""
        if self._loaders is not None:
            self._loaders.forget()
            self._loaders = None
