"""Strawberry's extensions, permissions, directives and handlers keep working around a plan."""

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Annotated, Any

import strawberry
from strawberry.directive import DirectiveLocation, DirectiveValue
from strawberry.extensions import FieldExtension, MaskErrors, SchemaExtension
from strawberry.permission import BasePermission
from strawberry.schema.exception_handlers import ExceptionHandler
from strawberry.types import Info

from executor import ExecutorExtension, install
from tests.executor.both import both


class Owner(BasePermission):
    message = "only the owner"

    def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        return bool(info.context and info.context["owner"])


class LaterOwner(BasePermission):
    message = "only the owner, later"

    async def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        return bool(info.context and info.context["owner"])


class Shouting(FieldExtension):
    def resolve(self, next_: Callable[..., Any], source: Any, info: Info, **kwargs: Any) -> Any:
        return str(next_(source, info, **kwargs)).upper()


class Doubling(FieldExtension):
    async def resolve_async(self, next_: Callable[..., Any], source: Any, info: Info, **kwargs: Any) -> Any:
        return 2 * await next_(source, info, **kwargs)


@strawberry.type
class Secret:
    plain: str = "plain"
    guarded: str = strawberry.field(default="guarded", permission_classes=[Owner])
    guarded_later: str | None = strawberry.field(default="later", permission_classes=[LaterOwner])


@strawberry.type
class Query:
    @strawberry.field
    def secrets(self) -> list[Secret | None]:
        return [Secret(), Secret()]

    @strawberry.field(permission_classes=[Owner])  # type: ignore[untyped-decorator]
    def mine(self, number: int = 1) -> int | None:
        return number

    @strawberry.field(extensions=[Shouting()])  # type: ignore[untyped-decorator]
    def loud(self, text: str = "text") -> str:
        return text

    @strawberry.field(extensions=[Doubling()])  # type: ignore[untyped-decorator]
    async def double(self, number: int = 4) -> int:
        return number

    @strawberry.field
    def fails(self) -> int | None:
        raise RuntimeError("a secret detail")


QUERY = "{ secrets { plain guarded guardedLater } mine b: mine(number: 5) loud double(number: 6) fails }"


def test_permissions_and_field_extensions_work_for_those_allowed_and_those_not() -> None:
    for owner in (True, False):
        result = both(strawberry.Schema(Query), QUERY, context=partial(dict, owner=owner))

        assert result.data is not None
        assert result.data["mine"] == (1 if owner else None)
        assert result.data["loud"] == "TEXT"
        assert result.data["double"] == 12


def test_the_hooks_of_schema_extensions_run_around_a_plan() -> None:
    seen: list[str] = []

    class Hooks(SchemaExtension):
        async def on_operation(self) -> AsyncIterator[None]:
            seen.append("operation")
            yield
            assert self.execution_context.result is not None
            seen.append("operation ends")

        def on_parse(self) -> Iterator[None]:
            seen.append("parse")
            yield

        def on_validate(self) -> Iterator[None]:
            seen.append("validate")
            yield

        def on_execute(self) -> Iterator[None]:
            seen.append("execute")
            yield
            seen.append("executed")

        def get_results(self) -> dict[str, Any]:
            return {"seen": len(seen)}

    both(strawberry.Schema(Query, extensions=[Hooks]), QUERY)

    once = ["operation", "parse", "validate", "execute", "executed", "operation ends"]
    assert seen == [*once, *once]


def test_middleware_of_extensions_stands_around_every_field() -> None:
    paths: list[Any] = []

    class Middleware(SchemaExtension):
        def resolve(self, _next: Callable[..., Any], root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
            paths.append((info.path.as_list(), info.parent_type.name, info.operation_extensions))
            value = _next(root, info, *args, **kwargs)
            return "changed" if value == "plain" else value

    result = both(strawberry.Schema(Query, extensions=[Middleware]), "{ __typename secrets { plain } }")

    assert result.data == {"__typename": "Query", "secrets": [{"plain": "changed"}] * 2}
    half = len(paths) // 2
    assert paths[:half] == paths[half:]
    assert [path for path, *_ in paths[:half]] == [
        ["__typename"],
        ["secrets"],
        ["secrets", 0, "plain"],
        ["secrets", 1, "plain"],
    ]


def test_middleware_and_no_middleware_have_plans_of_their_own() -> None:
    calls: list[str] = []

    class Middleware(SchemaExtension):
        def resolve(self, _next: Callable[..., Any], root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
            calls.append(info.field_name)
            return _next(root, info, *args, **kwargs)

    schema = strawberry.Schema(Query)
    compiled = install(schema)

    schema.execute_sync("{ loud }")
    schema.extensions = (Middleware,)
    schema.execute_sync("{ loud }")

    assert calls == ["loud"]
    assert compiled.stats.compiled == 2


def test_errors_are_masked_as_before() -> None:
    result = both(strawberry.Schema(Query, extensions=[MaskErrors]), QUERY, context=lambda: {"owner": True})

    assert [error.message for error in result.errors or ()] == ["Unexpected error."]


def test_directives_of_the_schema_are_applied() -> None:
    @strawberry.directive(locations=[DirectiveLocation.FIELD])
    def replace(value: DirectiveValue[str], by: str) -> str:
        return by

    schema = strawberry.Schema(Query, directives=[replace])

    result = both(schema, '{ loud @replace(by: "other") secrets { plain @replace(by: "x") guarded } }')

    assert result.data is not None
    assert result.data["loud"] == "other"


def test_exception_handlers_turn_exceptions_into_values() -> None:
    @strawberry.type
    class Problem:
        message: str

    @strawberry.type
    class Fine:
        number: int

    class Handler(ExceptionHandler[ValueError, Problem]):
        def handle(self, exception: ValueError, *, field: Any, info: Any) -> Problem | None:
            return Problem(message=str(exception))

    @strawberry.type
    class Root:
        @strawberry.field
        def risky(self, fail: bool) -> Annotated[Fine | Problem, strawberry.union("Outcome")]:
            if fail:
                raise ValueError("handled")
            return Fine(number=1)

    schema = strawberry.Schema(Root, exception_handlers=[Handler()])
    text = """{ a: risky(fail: true) { ...F } b: risky(fail: false) { ...F } }
        fragment F on Outcome { __typename ... on Problem { message } ... on Fine { number } }"""

    result = both(schema, text)

    assert result.data == {
        "a": {"__typename": "Problem", "message": "handled"},
        "b": {"__typename": "Fine", "number": 1},
    }


async def test_the_response_tells_which_executor_made_it() -> None:
    schema = strawberry.Schema(Query, extensions=[ExecutorExtension])
    compiled = install(schema)

    first = await schema.execute("{ loud }")
    second = await schema.execute("{ loud }")
    introspection = await schema.execute("{ __schema { queryType { name } } }")
    compiled.enabled = False
    off = await schema.execute("{ loud }")
    invalid = await schema.execute("{ nothing }")

    assert first.extensions is not None
    assert first.extensions["executor"]["name"] == "compiled"
    assert first.extensions["executor"]["compileSeconds"] > 0
    assert second.extensions == {"executor": {"name": "compiled"}}
    assert introspection.extensions == {"executor": {"name": "graphql-core", "reason": "introspection"}}
    assert off.extensions == {"executor": {"name": "graphql-core", "reason": "switched off"}}
    assert invalid.extensions == {}
