"""Idiomatic Strawberry: SQLModel's ORM, an async session for each request, and loaders, as the docs show."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import store
import strawberry
from aiodataloader import DataLoader
from fastapi import Depends, FastAPI
from sqlalchemy import event
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.types import JSON as JSON_TEXT
from sqlmodel import Column, Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from strawberry.fastapi import GraphQLRouter
from strawberry.scalars import JSON

engine = create_async_engine(f"sqlite+aiosqlite:///{store.FILE}")
sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
regression = store.Regression(store.connect())


@event.listens_for(engine.sync_engine, "connect")
def _pragmas(connection: Any, _: Any) -> None:
    for pragma in store.PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


class PredictionRow(SQLModel, table=True):
    __tablename__ = "prediction"
    id: str = Field(primary_key=True)
    project_id: str
    model_id: str
    model_version_id: str
    status: str
    request_id: str
    created_at: int
    started_at: int | None = None
    finished_at: int | None = None
    cached: bool = False
    attempts: int = 0
    cancel_requested: bool = False
    is_replaced: bool = False
    records: int | None = None
    queue_ms: float | None = None
    inference_ms: float | None = None
    total_ms: float | None = None
    input: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON_TEXT))
    output: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON_TEXT))


class ModelRow(SQLModel, table=True):
    __tablename__ = "model"
    id: str = Field(primary_key=True)
    project_id: str | None
    name: str
    display_name: str
    task: str
    status: str
    deleted_at: int | None


class VersionRow(SQLModel, table=True):
    __tablename__ = "model_version"
    id: str = Field(primary_key=True)
    model_id: str
    version: str
    status: str
    created_at: int


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class ModelVersion:
    id: strawberry.ID
    version: str
    status: str
    created_at: str

    @classmethod
    def of(cls, row: VersionRow) -> ModelVersion:
        return cls(
            id=strawberry.ID(store.global_id("ModelVersion", row.id)),
            version=row.version,
            status=row.status,
            created_at=store.moment(row.created_at) or "",
        )


@strawberry.type
class ModelVersions:
    nodes: list[ModelVersion]


@strawberry.type
class Model:
    key: strawberry.Private[str]
    id: strawberry.ID
    name: str
    display_name: str
    task: str
    status: str

    @classmethod
    def of(cls, row: ModelRow) -> Model:
        return cls(
            key=row.id,
            id=strawberry.ID(store.global_id("Model", row.id)),
            name=row.name,
            display_name=row.display_name,
            task=row.task,
            status=row.status,
        )

    @strawberry.field
    async def versions(self, info: strawberry.Info, first: int = 20) -> ModelVersions:
        rows = await info.context["versions_of"].load(self.key)
        return ModelVersions(nodes=[ModelVersion.of(row) for row in rows[:first]])


@strawberry.type
class Latency:
    queue_ms: float | None
    inference_ms: float | None
    total_ms: float | None


@strawberry.type
class Result:
    value: float


@strawberry.type
class TabularOutput:
    results: list[Result]


@strawberry.type
class Prediction:
    row: strawberry.Private[PredictionRow]
    id: strawberry.ID
    status: str
    request_id: str
    created_at: str
    finished_at: str | None
    cached: bool
    attempts: int
    latency: Latency

    @classmethod
    def of(cls, row: PredictionRow) -> Prediction:
        return cls(
            row=row,
            id=strawberry.ID(store.global_id("Prediction", row.id)),
            status=row.status,
            request_id=row.request_id,
            created_at=store.moment(row.created_at) or "",
            finished_at=store.moment(row.finished_at),
            cached=row.cached,
            attempts=row.attempts,
            latency=Latency(queue_ms=row.queue_ms, inference_ms=row.inference_ms, total_ms=row.total_ms),
        )

    @strawberry.field
    async def model(self, info: strawberry.Info) -> Model:
        return Model.of(await info.context["model"].load(self.row.model_id))

    @strawberry.field
    async def model_version(self, info: strawberry.Info) -> ModelVersion:
        return ModelVersion.of(await info.context["version"].load(self.row.model_version_id))

    @strawberry.field
    def output(self) -> Annotated[TabularOutput, strawberry.union("PredictionOutput")] | None:
        return TabularOutput(results=[Result(**each) for each in (self.row.output or {})["results"]])


@strawberry.type
class Predictions:
    nodes: list[Prediction]
    page_info: PageInfo


@strawberry.type
class Models:
    nodes: list[Model]


@strawberry.type
class Query:
    @strawberry.field
    async def predictions(self, info: strawberry.Info, first: int = 20) -> Predictions:
        wanted = select(PredictionRow).where(PredictionRow.project_id == store.PROJECT)
        session: AsyncSession = info.context["session"]
        found = (await session.exec(wanted.order_by(col(PredictionRow.id).desc()).limit(first + 1))).all()
        nodes = [Prediction.of(row) for row in found[:first]]
        end = store.cursor(found[:first][-1].id) if nodes else None
        return Predictions(nodes=nodes, page_info=PageInfo(has_next_page=len(found) > first, end_cursor=end))

    @strawberry.field
    async def prediction(self, info: strawberry.Info, id: strawberry.ID) -> Prediction | None:
        row_id = b64decode(id + "=" * (-len(id) % 4)).decode().partition(":")[2]
        found = await info.context["session"].get(PredictionRow, row_id)
        return Prediction.of(found) if found and found.project_id == store.PROJECT else None

    @strawberry.field
    async def models(self, info: strawberry.Info, first: int = 20) -> Models:
        wanted = select(ModelRow).where(
            col(ModelRow.project_id).is_(None), col(ModelRow.deleted_at).is_(None)
        )
        found = await info.context["session"].exec(wanted.order_by(col(ModelRow.id).desc()).limit(first))
        return Models(nodes=[Model.of(row) for row in found.all()])


@strawberry.input
class ModelRefInput:
    name: str


@strawberry.input
class TabularDataInput:
    records: JSON


@strawberry.input
class PredictionDataInput:
    tabular: TabularDataInput


@strawberry.input
class PredictInput:
    model: ModelRefInput
    data: PredictionDataInput


@strawberry.type
class UserError:
    code: str
    message: str


@strawberry.type
class PredictPayload:
    prediction: Prediction
    errors: list[UserError]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def predict(self, info: strawberry.Info, input: PredictInput) -> PredictPayload:
        records: Any = input.data.tabular.records
        results = await asyncio.to_thread(regression.run, records)
        row_id, _, _, _, request_id, created, *_ = regression.row(records, results)
        row = PredictionRow(
            id=row_id,
            project_id=store.PROJECT,
            model_id=regression.model_id,
            model_version_id=regression.version_id,
            status="SUCCEEDED",
            request_id=request_id,
            created_at=created,
            started_at=created,
            finished_at=created,
            attempts=1,
            records=1,
            total_ms=1.0,
            input={"records": records},
            output={"results": results},
        )
        session: AsyncSession = info.context["session"]
        session.add(row)
        await session.commit()
        return PredictPayload(prediction=Prediction.of(row), errors=[])


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


async def context(session: Annotated[AsyncSession, Depends(session)]) -> dict[str, Any]:
    turn = asyncio.Lock()  # one session is not for concurrent use

    def by_id(kind: Any) -> DataLoader[str, Any]:
        async def load(ids: Sequence[str]) -> list[Any]:
            async with turn:
                rows = (await session.exec(select(kind).where(kind.id.in_(ids)))).all()
            found = {row.id: row for row in rows}
            return [found.get(key) for key in ids]

        return DataLoader(load)

    async def versions_of(ids: Sequence[str]) -> list[list[VersionRow]]:
        wanted = select(VersionRow).where(col(VersionRow.model_id).in_(ids))
        async with turn:
            rows = (await session.exec(wanted.order_by(col(VersionRow.id).desc()))).all()
        return [[row for row in rows if row.model_id == key] for key in ids]

    return {
        "session": session,
        "model": by_id(ModelRow),
        "version": by_id(VersionRow),
        "versions_of": DataLoader(versions_of),
    }


app = FastAPI()
app.include_router(
    GraphQLRouter(strawberry.Schema(Query, Mutation), context_getter=context), prefix="/graphql"
)
