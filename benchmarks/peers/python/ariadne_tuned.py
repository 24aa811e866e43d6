"""Ariadne, tuned: documents parsed once, one statement for each answer, dicts as they are."""

from __future__ import annotations

from base64 import b64decode
from functools import lru_cache
from pathlib import Path
from typing import Any

import store
from ariadne import MutationType, QueryType, UnionType, load_schema_from_path, make_executable_schema
from ariadne.asgi import GraphQL
from graphql import DocumentNode, parse

connection = store.connect()
regression = store.Regression(connection)
query, mutation, output = QueryType(), MutationType(), UnionType("PredictionOutput")


@query.field("predictions")
def predictions(*_: Any, first: int) -> Any:
    return store.page(connection, first)


@query.field("prediction")
def prediction(*_: Any, id: str) -> Any:
    return store.one(connection, b64decode(id + "=" * (-len(id) % 4)).decode().partition(":")[2])


@query.field("models")
def models(*_: Any, first: int) -> Any:
    return store.models(connection, first)


@mutation.field("predict")
def predict(*_: Any, input: Any) -> Any:
    return {"prediction": regression.predict(connection, input["data"]["tabular"]["records"]), "errors": []}


@output.type_resolver
def kind(*_: Any) -> str:
    return "TabularOutput"


@lru_cache(maxsize=100)
def parsed(text: str) -> DocumentNode:
    return parse(text)


def parse_once(_: Any, data: Any) -> DocumentNode:
    return parsed(data["query"])


schema = make_executable_schema(
    load_schema_from_path(str(Path(__file__).parent.parent / "schema.graphql")), query, mutation, output
)
app = GraphQL(schema, query_parser=parse_once)
