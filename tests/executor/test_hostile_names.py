"""No name and no string that a client sends ever stands in generated code."""

from __future__ import annotations

import re

import strawberry
from graphql import parse

from executor import install
from executor.compiler import Prepared
from tests.executor.both import both

NAMES = [
    "__import__",
    "None",
    "True",
    "class",
    "lambda",
    "def_",
    "exec",
    "s",
    "r",
    "p",
    "f",
    "ok",
    "d",
    "v0",
    "K0",
    "F0",
    "o0",
    "c0",
    "e",
    "x",
    "self",
    "__class__",
    "__builtins__",
    "Pending",
    "PLAIN",
    "a" * 500,
]
STRINGS = [
    "')]}\"; import os; os._exit(1) #",
    '"""\n    raise SystemExit\n"""',
    "\\",
    "\\N{BULLET}",
    "{v} {0} %s",
    "\x00\x07\u2028\ud7ff\U0010ffff",
    "'" * 300,
]


@strawberry.input
class Box:
    text: str


@strawberry.type
class Query:
    @strawberry.field
    def echo(self, text: str) -> str:
        return text

    @strawberry.field
    def boxed(self, box: Box) -> Query:
        return Query()


schema = strawberry.Schema(Query)


def _literal(text: str) -> str:
    return '"' + "".join(f"\\u{{{ord(letter):x}}}" for letter in text) + '"'


def test_hostile_aliases_come_back_as_keys_and_nothing_else() -> None:
    selections = " ".join(f'{name}: echo(text: "{index}")' for index, name in enumerate(NAMES))

    result = both(schema, f"{{ {selections} }}")

    assert result.data == {name: str(index) for index, name in enumerate(NAMES)}


def test_hostile_strings_come_back_as_values() -> None:
    selections = " ".join(f"a{index}: echo(text: {_literal(text)})" for index, text in enumerate(STRINGS))

    result = both(schema, f"{{ {selections} }}")

    assert result.data == {f"a{index}": text for index, text in enumerate(STRINGS)}


def test_hostile_operation_fragment_and_variable_names_are_only_names() -> None:
    text = """
        query lambda($__import__: String!) { ...exec }
        fragment exec on Query { None: echo(text: $__import__) }
    """

    result = both(schema, text, {"__import__": STRINGS[0]}, operation_name="lambda")

    assert result.data == {"None": STRINGS[0]}


def test_the_source_of_a_plan_holds_nothing_that_the_client_chose() -> None:
    compiled = install(strawberry.Schema(Query))
    aliases = [f"client{index}_{name}" for index, name in enumerate(NAMES)]
    selections = " ".join(f'{alias}: echo(text: "payload{alias}")' for alias in aliases)
    text = f"""query clientQuery($clientVariable: String!) {{ {selections} ...clientFragment }}
        fragment clientFragment on Query {{
            clientBox: boxed(box: {{text: $clientVariable}}) {{ clientInner: echo(text: "payload") }}
        }}"""

    prepared = compiled.prepare(parse(text), "clientQuery", {"clientVariable": "payload"})

    assert isinstance(prepared, Prepared)
    assert "client" not in prepared.plan.source_text
    assert "payload" not in prepared.plan.source_text
    literals = re.findall(r"'[^']*'|\"[^\"]*\"", prepared.plan.source_text)
    assert set(literals) <= {"'__as_strawberry_type__'"}
