"""GraphQL: shapes, and which resolver answers which field."""

from strawberry.schema.config import StrawberryConfig

import executor
from schema.access import public_fields
from schema.errors import USER_ERRORS
from schema.extensions import EXTENSIONS, ForetellSchema
from schema.mutation import Mutation
from schema.query import Query
from schema.scalars import SCALARS
from schema.sharing import share_events
from schema.subscription import Subscription
from schema.tokens import TOKEN_STREAM_EVENTS

__all__ = ["PUBLIC_FIELDS", "compiled", "schema"]

schema = ForetellSchema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=(*USER_ERRORS, *TOKEN_STREAM_EVENTS),
    extensions=EXTENSIONS,
    config=StrawberryConfig(scalar_map=SCALARS),
)
compiled = executor.install(schema)
"""The compiled executor of the schema; switch it off and graphql-core runs everything."""

PUBLIC_FIELDS = public_fields(Mutation)
"""What may be asked for without a credential."""

share_events(schema)
