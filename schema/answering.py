"""Answering: how a mutation tells what is expected to go wrong."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from engine.errors import ExpectedError
from schema.access import Info
from schema.errors import user_errors

Resolver = TypeVar("Resolver", bound=Callable[..., Awaitable[Any]])


def answering(payload: Callable[..., Any]) -> Callable[[Resolver], Resolver]:
    """Makes a mutation answer what is expected to go wrong in its payload's `errors`."""

    def decorate(resolver: Resolver) -> Resolver:
        @functools.wraps(resolver)
        async def answer(self: Any, info: Info, **arguments: Any) -> Any:
            try:
                return await resolver(self, info=info, **arguments)
            except ExpectedError as error:
                return payload(errors=user_errors(error, info.context.request_id))

        return cast(Resolver, answer)

    return decorate
