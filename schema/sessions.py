"""SessionMutations: how users log in, stay so and log out."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import strawberry

from resolvers import sessions as resolvers
from schema.access import PUBLIC, Info, mutation
from schema.answering import answering
from schema.directives import Cost
from schema.errors import UserError
from schema.types import input_type, object_type

EXPENSIVE = [Cost(weight="10")]


@input_type
class LoginInput:
    """Who logs in."""

    email: str = strawberry.field(description="The user's email address, in any case.")
    password: str = strawberry.field(description="The user's password, at most 256 characters.")


@input_type
class RefreshSessionInput:
    """A session that goes on."""

    refresh_token: str = strawberry.field(
        description="The newest of the session. One that was used before ends the session: it was stolen."
    )


@input_type
class LogoutInput:
    """A session that ends."""

    refresh_token: str = strawberry.field(description="Any refresh token of the session.")


@object_type
class LoginPayload:
    """The tokens of a session. Keep both secret; send the access token as `Authorization: Bearer …`."""

    access_token: str | None = strawberry.field(default=None, description="Null if it was refused.")
    expires_at: datetime | None = strawberry.field(
        default=None, description="When the access token stops working; 15 minutes, unless set otherwise."
    )
    refresh_token: str | None = strawberry.field(
        default=None, description="Gives the next tokens through refreshSession, once."
    )
    refresh_expires_at: datetime | None = strawberry.field(
        default=None, description="When the user has to log in again; 30 days, unless set otherwise."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@object_type
class RefreshSessionPayload(LoginPayload):
    """The next tokens of a session. Keep both secret; send the access token as `Authorization: Bearer …`."""


@object_type
class LogoutPayload:
    """What became of the session."""

    ended: bool = strawberry.field(default=False, description="Whether there was one that went on until now.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type(description="What users do to be known.")
class SessionMutations:
    """The part of the mutation root that needs no credential: who calls it has none yet, or has it inside."""

    @mutation(
        PUBLIC,
        "Begins a session of a user, without a credential, over HTTP. Wrong passwords are slowed down.",
        directives=EXPENSIVE,
    )
    @answering(LoginPayload)
    async def login(
        self, info: Info, input: Annotated[LoginInput, strawberry.argument(description="Who logs in.")]
    ) -> LoginPayload:
        """Logs a user in."""
        return LoginPayload(**asdict(await resolvers.login(info.context, input.email, input.password)))

    @mutation(
        PUBLIC,
        "Gives a session new tokens, without a credential, over HTTP; the refresh token has been used then.",
        directives=EXPENSIVE,
    )
    @answering(RefreshSessionPayload)
    async def refresh_session(
        self,
        info: Info,
        input: Annotated[RefreshSessionInput, strawberry.argument(description="Which session.")],
    ) -> RefreshSessionPayload:
        """Refreshes a session."""
        return RefreshSessionPayload(**asdict(await resolvers.refresh(info.context, input.refresh_token)))

    @mutation(
        PUBLIC,
        "Ends a session, at once and on every process, and closes what it holds open; without a credential, "
        "over HTTP.",
        directives=EXPENSIVE,
    )
    @answering(LogoutPayload)
    async def logout(
        self, info: Info, input: Annotated[LogoutInput, strawberry.argument(description="Which session.")]
    ) -> LogoutPayload:
        """Logs a user out."""
        return LogoutPayload(ended=await resolvers.logout(info.context, input.refresh_token))
