"""What execution alone costs: graphql-core against compiled plans, on the same Strawberry schema.

    python -m benchmarks.executor [rounds]

Q1 is 50 predictions, each with its version and model (12 scalar fields a prediction); Q2 one prediction by
id; Q3 20 models with their versions. The objects come from memory. An edge is an attribute (a "row"), or a
loader's future that a resolver returns, or awaited from the loader by an async resolver; "the floor" is what
asyncio and the loaders cost alone, the resolvers called by hand and nothing made of the values. Documents are
parsed and validated. Both executors take turns in one process; printed are medians of the CPU time of an
operation, from the call of graphql-core's `execute` to the result.
"""

from __future__ import annotations

import asyncio
import enum
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import strawberry
from aiodataloader import DataLoader
from graphql import DocumentNode, ExecutionResult, execute, parse, validate
from strawberry.execution import optimized_is_awaitable
from strawberry.types import Info

from executor import install

SECONDS_A_ROUND = 0.4


@strawberry.enum
class Status(enum.Enum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass
class Loaders:
    models: DataLoader[int, Model]
    versions: DataLoader[int, Version]
    versions_of: DataLoader[int, list[Version]]


@strawberry.type
class Version:
    id: strawberry.ID
    name: str
    format: str
    size: int
    created_at: datetime
    is_active: bool


@strawberry.type
class Model:
    id: strawberry.ID
    name: str
    description: str | None
    kind: str
    created_at: datetime
    key: strawberry.Private[int]

    @strawberry.field
    async def versions(self, info: Info[Loaders, None]) -> list[Version]:
        return await info.context.versions_of.load(self.key)


@strawberry.type
class Prediction:
    id: strawberry.ID
    status: Status
    priority: int
    tenant: str
    input_text: str
    output_text: str | None
    score: float | None
    latency_ms: float
    tokens: int
    cached: bool
    error: str | None
    created_at: datetime
    model_row: Model
    version_row: Version
    model_key: strawberry.Private[int]
    version_key: strawberry.Private[int]

    @strawberry.field
    async def version(self, info: Info[Loaders, None]) -> Version:
        return await info.context.versions.load(self.version_key)

    @strawberry.field
    async def model(self, info: Info[Loaders, None]) -> Model:
        return await info.context.models.load(self.model_key)

    @strawberry.field
    def version_now(self, info: Info[Loaders, None]) -> Version:
        return info.context.versions.load(self.version_key)  # type: ignore[return-value]

    @strawberry.field
    def model_now(self, info: Info[Loaders, None]) -> Model:
        return info.context.models.load(self.model_key)  # type: ignore[return-value]


NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
VERSIONS = [
    Version(
        id=strawberry.ID(str(i)), name=f"v{i}", format="onnx", size=1000 + i, created_at=NOW, is_active=True
    )
    for i in range(60)
]
MODELS = [
    Model(
        id=strawberry.ID(str(i)),
        name=f"model {i}",
        description=None if i % 2 else "text",
        kind="onnx",
        created_at=NOW,
        key=i,
    )
    for i in range(20)
]
PREDICTIONS = [
    Prediction(
        id=strawberry.ID(str(i)),
        status=Status.SUCCEEDED,
        priority=i % 3,
        tenant="main",
        input_text=f"input {i}",
        output_text=f"output {i}" if i % 5 else None,
        score=i / 7,
        latency_ms=i * 1.5,
        tokens=i,
        cached=not i % 4,
        error=None,
        created_at=NOW,
        model_row=MODELS[i % 20],
        version_row=VERSIONS[i % 60],
        model_key=i % 20,
        version_key=i % 60,
    )
    for i in range(500)
]


@strawberry.type
class Query:
    @strawberry.field
    def predictions(self, first: int = 50) -> list[Prediction]:
        return PREDICTIONS[:first]

    @strawberry.field
    def prediction(self, id: strawberry.ID) -> Prediction | None:
        return PREDICTIONS[int(id)]

    @strawberry.field
    def models(self) -> list[Model]:
        return MODELS


FIELDS = """id status priority tenant inputText outputText score latencyMs tokens cached error createdAt"""
EDGES = "version { id name format size } model { id name kind }"
BY_ID = "query ($id: ID!) { prediction(id: $id) { %s } }"
FUTURES = "versionNow { id name format size } modelNow { id name kind }"
ROWS = "versionRow { id name format size } modelRow { id name kind }"

QUERIES: dict[str, tuple[str, dict[str, Any]]] = {
    "Q1, edges are rows": (f"{{ predictions(first: 50) {{ {FIELDS} {ROWS} }} }}", {}),
    "Q1, edges are futures": (f"{{ predictions(first: 50) {{ {FIELDS} {FUTURES} }} }}", {}),
    "Q1, edges are async": (f"{{ predictions(first: 50) {{ {FIELDS} {EDGES} }} }}", {}),
    "Q2, edges are rows": (BY_ID % f"{FIELDS} {ROWS}", {"id": "7"}),
    "Q2, edges are async": (
        f"query ($id: ID!) {{ prediction(id: $id) {{ {FIELDS} {EDGES} }} }}",
        {"id": "7"},
    ),
    "Q3, edges are async": (
        "{ models { id name description kind createdAt versions { id name format size isActive } } }",
        {},
    ),
}


def loaders() -> Loaders:
    async def models(keys: Sequence[int]) -> list[Any]:
        return [MODELS[key] for key in keys]

    async def versions(keys: Sequence[int]) -> list[Any]:
        return [VERSIONS[key] for key in keys]

    async def versions_of(keys: Sequence[int]) -> list[Any]:
        return [VERSIONS[key * 3 : key * 3 + 3] for key in keys]

    return Loaders(DataLoader(models), DataLoader(versions), DataLoader(versions_of))


Operation = Callable[[], Awaitable[ExecutionResult]]


def operation(schema: strawberry.Schema, document: DocumentNode, variables: dict[str, Any]) -> Operation:
    """Execution as `Schema.execute` starts it, without what surrounds it."""

    async def run() -> ExecutionResult:
        result = execute(
            schema._schema,
            document,
            context_value=loaders(),
            variable_values=variables,
            executor_class=schema.execution_context_class,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
            operation_extensions=None,
        )
        return result if isinstance(result, ExecutionResult) else await result

    return run


async def futures() -> None:
    """The floor of Q1 with futures."""
    context = loaders()
    rows = PREDICTIONS[:50]
    await asyncio.gather(
        *(context.versions.load(row.version_key) for row in rows),
        *(context.models.load(row.model_key) for row in rows),
    )


async def coroutines() -> None:
    """The floor of Q1 with async resolvers."""

    async def load(loader: DataLoader[int, Any], key: int) -> Any:
        return await loader.load(key)

    context = loaders()
    rows = PREDICTIONS[:50]
    await asyncio.gather(
        *(load(context.versions, row.version_key) for row in rows),
        *(load(context.models, row.model_key) for row in rows),
    )


async def cpu_seconds(run: Callable[[], Awaitable[Any]]) -> float:
    """CPU time of one operation, from as many as fit into a round."""
    count, started = 0, time.process_time()
    while (spent := time.process_time() - started) < SECONDS_A_ROUND or not count:
        await run()
        count += 1
    return spent / count


async def main(rounds: int) -> None:
    plain, compiled = strawberry.Schema(Query), strawberry.Schema(Query)
    stats = install(compiled).stats
    print(f"{'execution alone':22} {'graphql-core':>14} {'compiled':>12} {'ratio':>8}   (least .. most)")
    for name, (text, variables) in QUERIES.items():
        document = parse(text)
        assert not validate(plain._schema, document)
        one, other = (operation(schema, document, variables) for schema in (plain, compiled))
        assert (await one()).data == (await other()).data
        pairs = [(await cpu_seconds(one), await cpu_seconds(other)) for _ in range(rounds)]
        core, plan = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratios = [a / b for a, b in pairs]
        print(
            f"{name:22} {core * 1e6:11,.0f} µs {plan * 1e6:9,.0f} µs"
            f" {statistics.median(ratios):8.1f}   ({min(ratios):.1f} .. {max(ratios):.1f})"
        )
    for name, floor in (("floor of Q1, futures", futures), ("floor of Q1, async", coroutines)):
        seconds = statistics.median([await cpu_seconds(floor) for _ in range(rounds)])
        print(f"{name:22} {seconds * 1e6:25,.0f} µs")
    print(f"compiling: {stats.compile_seconds / stats.compiled * 1e3:.1f} ms a plan, {stats.compiled} plans")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
