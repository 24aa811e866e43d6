# mypy: ignore-errors
# It runs in schemathesis' own environment, of which ours knows nothing.
"""What schemathesis has to know about Foretell: its scalars, and which answers are right.

Its own check calls every answer with `errors` a failure. Here a refusal is right, because the documents it
makes up ask for pages of two billion. Wrong is an error that is masked or has no code, and data that does not
fit the schema.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import schemathesis
from graphql import (
    FieldNode,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_enum_type,
    is_list_type,
    is_non_null_type,
    parse,
)
from hypothesis import strategies as st
from schemathesis.graphql import nodes

CODES = {
    "BAD_USER_INPUT",
    "COST_LIMIT_EXCEEDED",
    "DOCUMENT_LIMIT_EXCEEDED",
    "GRAPHQL_VALIDATION_FAILED",
    "NOT_FOUND",
    "RATE_LIMITED",
}
STATUSES = {200, 400, 413, 422, 429}

json_values = st.recursive(
    st.one_of(
        st.just(nodes.Null),
        st.booleans().map(nodes.Boolean),
        st.integers(-(2**53), 2**53).map(nodes.Int),
        st.text(max_size=20).map(nodes.String),
    ),
    lambda inner: st.lists(inner, max_size=4).map(nodes.List),
    max_leaves=8,
)
times = st.datetimes().map(lambda time: nodes.String(time.isoformat(timespec="milliseconds") + "Z"))

# Of the ids that exist, so that there is something to find, and of others.
ids = st.one_of(st.sampled_from(os.environ.get("IDS", "").split(",")), st.text(max_size=40))

schemathesis.graphql.scalar("ID", ids.map(nodes.String))
schemathesis.graphql.scalar("JSON", json_values)
schemathesis.graphql.scalar("DateTime", times)
schemathesis.graphql.scalar("BigInt", st.integers(-(2**63), 2**63 - 1).map(lambda n: nodes.String(str(n))))
schemathesis.graphql.scalar("Decimal", st.decimals(0, 10**6, places=2).map(lambda n: nodes.String(f"{n:f}")))
schemathesis.graphql.scalar("URL", st.just(nodes.String("https://example.com/hook")))

SCALARS: dict[str, Any] = {
    "ID": lambda value: isinstance(value, str),
    "String": lambda value: isinstance(value, str),
    "URL": lambda value: isinstance(value, str),
    "Boolean": lambda value: isinstance(value, bool),
    "Int": lambda value: type(value) is int and -(2**31) <= value < 2**31,
    "Float": lambda value: type(value) in (int, float),
    "BigInt": lambda value: re.fullmatch(r"-?\d+", value),
    "Decimal": lambda value: re.fullmatch(r"-?\d+(\.\d+)?", value),
    "DateTime": lambda value: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value),
    "JSON": lambda value: True,
}


@schemathesis.check
def answers_are_valid(ctx: Any, response: Any, case: Any) -> None:
    """Fail for what the specification or the promises do not allow."""
    assert response.status_code in STATUSES, f"status {response.status_code}"
    answer = response.json()
    for error in answer.get("errors", []):
        assert error["extensions"]["code"] in CODES, f"an error that nobody foresaw: {error}"
        assert error["extensions"]["requestId"] == response.headers["x-request-id"][0]
    if answer.get("data") is None:
        assert answer["errors"], "neither data nor errors"
    else:
        (operation,) = parse(case.body).definitions
        assert isinstance(operation, OperationDefinitionNode)
        schema = case.operation.schema.client_schema
        root = schema.get_root_type(operation.operation)
        problems = list(misfits(schema, answer["data"], root, operation.selection_set, "data"))
        assert not problems, problems


def misfits(
    schema: GraphQLSchema,
    value: Any,
    declared: GraphQLOutputType,
    selected: SelectionSetNode | None,
    path: str,
) -> Iterator[str]:
    """Yield where a value of the answer is not of the type that the schema declares."""
    if is_non_null_type(declared):
        if value is None:
            yield f"{path} is null"
            return
        declared = declared.of_type
    if value is None:
        return
    if is_list_type(declared):
        for index, each in enumerate(value):
            yield from misfits(schema, each, declared.of_type, selected, f"{path}[{index}]")
    elif is_composite_type(declared):
        yield from object_misfits(schema, value, declared, selected, path)
    elif is_enum_type(declared):
        if value not in declared.values:
            yield f"{path} is {value!r}, which {declared.name} does not have"
    elif not SCALARS[get_named_type(declared).name](value):
        yield f"{path} is {value!r}, which is no {declared.name}"


def object_misfits(
    schema: GraphQLSchema, value: Any, declared: Any, selected: SelectionSetNode | None, path: str
) -> Iterator[str]:
    """Yield the misfits in the fields of an object; of one whose type is open, in those selected for all."""
    assert selected
    fields = [node for node in selected.selections if isinstance(node, FieldNode)]
    names = {(node.alias or node.name).value for node in fields}
    if not is_abstract_type(declared) and len(fields) == len(selected.selections) and names != set(value):
        yield f"{path} has the fields {sorted(value)}, not {sorted(names)}"
        return
    for node in fields:
        name = (node.alias or node.name).value
        if node.name.value != "__typename":
            field = declared.fields[node.name.value]
            yield from misfits(schema, value[name], field.type, node.selection_set, f"{path}.{name}")
