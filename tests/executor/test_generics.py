"""Generic types, and Relay's."""

from typing import Any, Generic, TypeVar

import strawberry
from strawberry import relay

from tests.executor.both import both

T = TypeVar("T")


@strawberry.type
class Edge(Generic[T]):
    node: T
    cursor: str


def test_generic_types_are_completed_for_their_parameters() -> None:
    @strawberry.type
    class Query:
        @strawberry.field
        def numbers(self) -> list[Edge[int]]:
            return [Edge(node=1, cursor="a")]

        @strawberry.field
        def either(self) -> list[Edge[int] | Edge[str]]:
            return [Edge(node=1, cursor="a"), Edge(node="text", cursor="b")]

    text = """{ numbers { node cursor }
        either { __typename ... on IntEdge { number: node } ... on StrEdge { text: node cursor } } }"""

    result = both(strawberry.Schema(Query), text)

    assert result.data is not None
    assert result.data["either"][1] == {"__typename": "StrEdge", "text": "text", "cursor": "b"}


@strawberry.type
class Fruit(relay.Node):
    id: relay.NodeID[int]
    name: str

    @classmethod
    def resolve_nodes(cls, *, info: Any, node_ids: Any, required: bool = False) -> Any:
        return [Fruit(id=int(node_id), name=f"fruit {node_id}") for node_id in node_ids]


def test_relay_nodes_and_connections_work() -> None:
    @strawberry.type
    class Query:
        node: relay.Node = relay.node()

        @relay.connection(relay.ListConnection[Fruit])  # type: ignore[untyped-decorator]
        def fruits(self) -> list[Fruit]:
            return [Fruit(id=index, name=f"fruit {index}") for index in range(5)]

    text = """query ($id: ID!, $bad: ID!) {
        node(id: $id) { __typename id ... on Fruit { name } }
        fruits(first: 2) { pageInfo { hasNextPage endCursor } edges { cursor node { id name } } }
        bad: node(id: $bad) { id }
    }"""
    variables = {"id": relay.to_base64("Fruit", "3"), "bad": "not an id"}

    result = both(strawberry.Schema(Query), text, variables)

    assert result.errors
