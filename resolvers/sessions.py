"""Sessions of users: beginning, refreshing and ending them."""

from __future__ import annotations

from engine.identity.sessions import LoggedIn
from resolvers.context import Context

__all__ = ["LoggedIn", "login", "logout", "refresh"]


async def login(context: Context, email: str, password: str) -> LoggedIn:
    """Logs a user in."""
    return await context.services.sessions.login(
        email, password, address=context.address, request_id=context.request_id
    )


async def refresh(context: Context, token: str) -> LoggedIn:
    """Gives a session new tokens."""
    return await context.services.sessions.refresh(
        token, address=context.address, request_id=context.request_id
    )


async def logout(context: Context, token: str) -> bool:
    """Ends a session."""
    return await context.services.sessions.logout(token, request_id=context.request_id)
