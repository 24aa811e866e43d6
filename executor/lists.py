"""Completion of the items of a list, of any iterable, and of an async iterable."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from graphql import located_error

from executor.pending import Pending
from executor.plan import Completer, FieldSite
from executor.positions import keys_of

if TYPE_CHECKING:
    from executor.operation import Operation
    from executor.positions import Position


def complete_items(
    values: Iterable[Any],
    operation: Operation,
    position: Position,
    site: FieldSite,
    complete: Completer,
    nullable: bool,
) -> list[Any]:
    """Returns the completed items, with None where one is awaited.

    Raises the located error of an item that may not be null. The rest of the iterable is read then, and what
    is awaitable in it is awaited with the operation, so that no coroutine is left over.
    """
    results: list[Any] = []
    append = results.append
    known: type | None = None
    iterator = iter(values)
    try:
        for index, value in enumerate(iterator):
            place = (position, index, None, nullable)
            if value.__class__ is not known:
                if operation.is_awaitable(value):
                    operation.defer_at(value, site, place, complete, results)
                    append(None)
                    continue
                # whether a generator is awaitable depends on the generator
                known = None if isinstance(value, GeneratorType) else value.__class__
            try:
                append(complete(value, operation, place, site))
            except Exception as error:
                operation.failed_at(error, site, place)
                append(None)
    except Exception:
        operation.response.detach(position)
        with suppress(Exception):
            operation.track(iterator)
        raise
    return results


@dataclass(frozen=True, slots=True)
class Collected:
    """The completed items of an async iterable, and what they still wait for."""

    items: list[Any]
    late: list[Pending]


async def collect(
    values: AsyncIterable[Any],
    operation: Operation,
    position: Position,
    site: FieldSite,
    complete: Completer,
    nullable: bool,
) -> Collected:
    """Returns the completed items of an async iterable once it has ended.

    As in graphql-core, what the items wait for starts only then. An error of the iterable itself is the
    error of the whole list, and closes it.
    """
    iterator = values.__aiter__()
    collected = Collected([], [])
    try:
        while True:
            try:
                value = await anext(iterator)
            except StopAsyncIteration:
                return collected
            except Exception as error:
                raise located_error(error, site.nodes, keys_of(position)) from error
            with operation.held(collected.late):
                _append(value, collected.items, operation, position, site, complete, nullable)
    except Exception:
        operation.response.detach(position)
        operation.starting.extend(collected.late)
        with suppress(Exception):
            await iterator.aclose()  # type: ignore[attr-defined]
        raise
    except BaseException:  # cancelled
        for pending in collected.late:
            pending.close()
        raise


def collected(value: Collected, operation: Operation, position: Position, site: FieldSite) -> list[Any]:
    """Completes a `Collected`: its items take their place, and what they wait for starts."""
    operation.starting.extend(value.late)
    return value.items


def _append(
    value: Any,
    results: list[Any],
    operation: Operation,
    position: Position,
    site: FieldSite,
    complete: Completer,
    nullable: bool,
) -> None:
    place = (position, len(results), None, nullable)
    if operation.is_awaitable(value):
        operation.defer_at(value, site, place, complete, results)
        results.append(None)
        return
    try:
        results.append(complete(value, operation, place, site))
    except Exception as error:
        operation.failed_at(error, site, place)
        results.append(None)
