import base64

import pytest
from graphql import is_interface_type

from engine.values import Scope
from schema import schema
from schema.nodes import global_id
from schema.query import NODES as READERS
from tests.schema.graph import Caller, Graph, model, prediction, version

NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"


async def one_of_each(graph: Graph, caller: Caller, name: str = "ours") -> dict[str, str]:
    """Stores a node of every type that can be stored so; returns their ids."""
    found = model(name, project_id=caller.project_id)
    its_version = version(found)
    its_prediction = prediction(caller, its_version)
    await graph.add(found)
    await graph.add(its_version)
    await graph.add(its_prediction)
    return {
        "Model": global_id("Model", found.id),
        "ModelVersion": global_id("ModelVersion", its_version.id),
        "Prediction": global_id("Prediction", its_prediction.id),
        "ApiKey": global_id("ApiKey", caller.key_id),
        "Project": global_id("Project", caller.project_id),
        "Viewer": global_id("Viewer", caller.key_id),
    }


async def test_every_node_is_found_again_by_its_id(any_graph: Graph) -> None:
    caller = await any_graph.caller()
    ids = await one_of_each(any_graph, caller)

    for type_name, node_id in ids.items():
        answer = await any_graph.data(caller, NODE, id=node_id)
        assert answer == {"node": {"__typename": type_name, "id": node_id}}


def test_every_type_of_node_can_be_read_by_its_id() -> None:
    interface = schema._schema.type_map["Node"]
    assert is_interface_type(interface)

    names = {implementation.name for implementation in schema._schema.get_implementations(interface).objects}

    assert names == set(READERS)


async def test_nodes_come_in_the_order_of_their_ids_and_as_often_as_asked(
    graph: Graph, caller: Caller
) -> None:
    ids = list((await one_of_each(graph, caller)).values())
    asked = [*reversed(ids), ids[0], ids[0]]

    answer = await graph.data(caller, NODES, ids=asked)

    assert [node["id"] for node in answer["nodes"]] == asked


async def test_many_nodes_of_a_type_cost_one_statement(graph: Graph, caller: Caller) -> None:
    rows = [model(f"model-{number}") for number in range(30)]
    await graph.add(*rows)

    with graph.statements() as few:
        await graph.data(caller, NODES, ids=[global_id("Model", row.id) for row in rows[:2]])
    with graph.statements() as many:
        await graph.data(caller, NODES, ids=[global_id("Model", row.id) for row in rows])

    assert len(many) == len(few)


async def test_nothing_of_another_project_is_found(any_graph: Graph) -> None:
    theirs = await any_graph.caller("theirs")
    ids = list((await one_of_each(any_graph, theirs, "hidden")).values())
    caller = await any_graph.caller("ours")

    assert await any_graph.data(caller, NODES, ids=ids) == {"nodes": [None] * len(ids)}
    for node_id in ids:
        assert await any_graph.data(caller, NODE, id=node_id) == {"node": None}


async def test_what_was_never_there_is_null(graph: Graph, caller: Caller) -> None:
    ids = [global_id(name, "0" * 32) for name in ("Model", "ModelVersion", "Prediction", "ApiKey", "Project")]

    assert await graph.data(caller, NODES, ids=ids) == {"nodes": [None] * len(ids)}


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


GARBAGE = [
    "",
    "x",
    "=====",
    "Model:1",
    "💥",
    "\x00",
    "a" * 10_000,
    encoded("Model"),
    encoded("Model:"),
    encoded(":" + "0" * 32),
    encoded("Model:" + "0" * 31),
    encoded("Model:" + "0" * 33),
    encoded("Model:" + "'" * 32),
    encoded("Model:" + "\x00" * 32),
    encoded("Query:" + "0" * 32),
    encoded("String:" + "0" * 32),
    encoded("__Schema:" + "0" * 32),
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_an_id_that_this_server_never_gave_out_is_an_error_of_the_client(
    graph: Graph, caller: Caller, garbage: str
) -> None:
    answer = await graph.answer(caller, NODE, id=garbage)

    assert answer["data"] == {"node": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]


async def test_garbage_among_ids_spoils_only_its_own_place(graph: Graph, caller: Caller) -> None:
    ids = await one_of_each(graph, caller)

    answer = await graph.answer(caller, NODES, ids=[ids["Model"], "garbage", ids["Prediction"]])

    assert [node and node["__typename"] for node in answer["data"]["nodes"]] == ["Model", None, "Prediction"]
    assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [
        (["nodes", 1], "BAD_USER_INPUT")
    ]


@pytest.mark.parametrize(
    ("document", "of"),
    [
        ("query ($id: ID!) { prediction(id: $id) { id } }", "Model"),
        ("query ($id: ID!) { model(ref: {id: $id}) { id } }", "Prediction"),
        ("query ($id: ID!) { predictions(filter: {modelId: [$id]}) { nodes { id } } }", "ModelVersion"),
        ("query ($id: ID!) { predictions(filter: {apiKeyId: [$id]}) { nodes { id } } }", "Model"),
    ],
)
async def test_an_id_of_another_type_is_an_error_of_the_client(
    graph: Graph, caller: Caller, document: str, of: str
) -> None:
    ids = await one_of_each(graph, caller)

    assert await graph.codes(caller, document, id=ids[of]) == ["BAD_USER_INPUT"]


async def test_more_than_a_hundred_ids_are_refused(graph: Graph, caller: Caller) -> None:
    ids = [global_id("Model", f"{number:032x}") for number in range(101)]

    assert await graph.codes(caller, NODES, ids=ids) == ["BAD_USER_INPUT"]
    assert len((await graph.data(caller, NODES, ids=ids[:100]))["nodes"]) == 100


async def test_a_node_needs_the_scope_of_its_type_and_hides_no_other(graph: Graph, caller: Caller) -> None:
    ids = await one_of_each(graph, caller)
    narrow = await graph.colleague(caller.project_id, [Scope.MODELS_READ])

    answer = await graph.answer(narrow, NODES, ids=[ids["Prediction"], ids["Model"], ids["ApiKey"]])

    assert [node and node["__typename"] for node in answer["data"]["nodes"]] == [None, "Model", None]
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"FORBIDDEN"}
