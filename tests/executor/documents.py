"""Hypothesis strategy for documents that are valid against a schema."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
)
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

MAX_DEPTH = 4

LITERALS: dict[str, list[tuple[str, Any]]] = {
    "Int!": [("5", 5), ("-1", -1)],
    "Boolean": [("true", True), ("null", None)],
    "String": [('"a\\"b"', 'a"b'), ("null", None)],
    "Color!": [("RED", "RED"), ("BLUE", "BLUE")],
    "[Int!]!": [("[1, 2]", [1, 2]), ("7", 7)],
    "Box": [
        ("{width: 1}", {"width": 1}),
        ('{label: "x", tags: []}', {"label": "x", "tags": []}),
        ("null", None),
    ],
    "Choice": [("{number: 1}", {"number": 1}), ('{word: "w"}', {"word": "w"})],
}
"""For each argument type of the random worlds: values as literals and as variables."""


@dataclass
class Document:
    text: str
    variables: dict[str, Any]


@dataclass
class _Maker:
    draw: DrawFn
    schema: GraphQLSchema
    definitions: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)
    aliases: int = 0

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(1, one_in)) == 1

    def selections(self, type_: Any, depth: int) -> str:
        most = 4 if depth < 2 else 2
        parts = [self.selection(type_, depth) for _ in range(self.draw(st.integers(1, most)))]
        return "{ " + " ".join(parts) + " }"

    def selection(self, type_: Any, depth: int) -> str:
        if depth < MAX_DEPTH and self.chance(4):
            return self.fragment(type_, depth + 1)
        if isinstance(type_, GraphQLUnionType) or self.chance(8):
            return f"{self.draw(st.sampled_from(['', 'kind: ']))}__typename{self.directives()}"
        return self.field(type_, depth)

    def field(self, type_: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        name = self.draw(st.sampled_from(sorted(type_.fields)))
        definition = type_.fields[name]
        named = get_named_type(definition.type)
        if not is_leaf_type(named) and depth >= MAX_DEPTH:
            return "__typename"
        arguments = self.arguments(definition)
        alias = ""
        if arguments:
            self.aliases += 1
            alias = f"a{self.aliases}: "
        elif self.chance(6):
            alias = f"also_{name}: "
        inner = "" if is_leaf_type(named) else f" {self.selections(named, depth + 1)}"
        return f"{alias}{name}{arguments}{self.directives()}{inner}"

    def fragment(self, type_: Any, depth: int) -> str:
        condition = self.draw(st.sampled_from(self.conditions(type_)))
        inner = self.selections(condition, depth)
        if self.chance(2):
            on = f" on {condition.name}" if condition is not type_ or self.chance(2) else ""
            return f"...{on}{self.directives()} {inner}"
        name = f"F{len(self.fragments)}"
        self.fragments.append(f"fragment {name} on {condition.name} {inner}")
        return " ".join([f"...{name}{self.directives()}"] * self.draw(st.integers(1, 2)))

    def conditions(self, type_: Any) -> list[Any]:
        possible = self.schema.get_possible_types(type_) if is_abstract_type(type_) else [type_]
        above = [
            each
            for each in self.schema.type_map.values()
            if is_abstract_type(each) and any(self.schema.is_sub_type(each, one) for one in possible)
        ]
        return [type_, *sorted({*possible, *above} - {type_}, key=lambda each: each.name)]

    def arguments(self, definition: GraphQLField) -> str:
        given = [self.argument(name, each) for name, each in definition.args.items()]
        given = [each for each in given if each]
        return f"({', '.join(given)})" if given else ""

    def argument(self, name: str, definition: GraphQLArgument) -> str:
        type_ = str(definition.type)
        required = type_.endswith("!") and not definition.default
        if not required and self.chance(3):
            return ""
        literal, value = self.draw(st.sampled_from(LITERALS[type_]))
        if self.chance(2):
            return f"{name}: {literal}"
        return f"{name}: ${self.variable(type_, value)}"

    def variable(self, type_: str, value: Any) -> str:
        name = f"v{len(self.definitions)}"
        self.definitions[name] = f"${name}: {type_}"
        if type_.endswith("!") or not self.chance(4):
            self.variables[name] = value
        return name

    def directives(self) -> str:
        if not self.chance(8):
            return ""
        kind = self.draw(st.sampled_from(["skip", "include"]))
        if self.chance(3):
            return f" @{kind}(if: {self.draw(st.sampled_from(['true', 'false']))})"
        name = f"b{self.draw(st.integers(0, 1))}"
        self.definitions[name] = f"${name}: Boolean!"
        self.variables.setdefault(name, self.draw(st.booleans()))
        return f" @{kind}(if: ${name})"


@st.composite
def documents(draw: DrawFn, schema: GraphQLSchema, kind: str = "query") -> Document:
    maker = _Maker(draw, schema)
    root = schema.get_root_type(OperationType(kind))
    assert root is not None
    body = f"{{ {maker.field(root, 0)} }}" if kind == "subscription" else maker.selections(root, 0)
    head = f"({', '.join(maker.definitions.values())})" if maker.definitions else ""
    text = "\n".join([f"{kind} Random{head} {body}", *maker.fragments])
    return Document(text, maker.variables)
