"""The GraphQL endpoint: HTTP, Server-Sent Events and WebSocket over one Strawberry schema.

    endpoint = GraphQLEndpoint(
        schema,                        # built with schema.extensions.ForetellSchema and EXTENSIONS
        authenticate=authenticate,     # headers → Viewer | None; UnauthenticatedError for a bad credential
        make_context=make_context,     # Session → the context of one operation
        documents=…,                   # PersistedDocuments; in memory by default
        options=TransportOptions(…),
        public_fields=("login",),      # root fields that need no credential
        page=graphiql.page,            # what a browser gets
        shutdown=event,                # set: sockets close with 1012, streams end with an error
        revocation=…,                  # Viewer → the event that is set when its credential is revoked
        make_operations=…,             # what runs operations; Operations, or one that also counts them
    )
    app.router.routes.extend(endpoint.routes("/graphql"))

`make_context` is called for every operation, also for those of one socket. The context has `request_id`,
`limits` (schema.limits.DocumentLimits), `throttle` (see schema.extensions.Throttle; None for no charge) and
`renew_loaders()`. What is put into `session.response_headers` is sent with the answer over HTTP.
"""

from foretell.graphql.documents import (
    MemoryDocumentStore,
    PersistedDocuments,
    RedisDocumentStore,
    read_manifest,
)
from foretell.graphql.options import TransportOptions
from foretell.graphql.router import GraphQLEndpoint
from foretell.graphql.session import Authenticate, Context, MakeContext, Revocation, Session

__all__ = [
    "Authenticate",
    "Context",
    "GraphQLEndpoint",
    "MakeContext",
    "MemoryDocumentStore",
    "PersistedDocuments",
    "RedisDocumentStore",
    "Revocation",
    "Session",
    "TransportOptions",
    "read_manifest",
]
