"""RequestContext: what the schema is given for one operation."""

from __future__ import annotations

from dataclasses import dataclass, field

from resolvers.context import Context
from schema.extensions import Throttle
from schema.limits import DocumentLimits


@dataclass(slots=True)
class RequestContext(Context):
    """The resolvers' context, and the limits that the operation is judged by."""

    limits: DocumentLimits = field(default_factory=DocumentLimits)
    throttle: Throttle | None = None
