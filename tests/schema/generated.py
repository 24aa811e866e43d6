"""Random operations over the whole schema, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInputType,
    GraphQLNamedType,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_enum_type,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
    is_required_argument,
    is_required_input_field,
)

from tests.schema.selections import SCALARS, SCHEMA

DEPTH = 4
FIELDS = 3
OPTIONAL = 0.3


class Generator:
    """Makes operations whose ids and texts are taken from those that are given."""

    def __init__(self, seed: int, ids: Sequence[str], texts: Sequence[str]) -> None:
        self._random = random.Random(seed)
        self._ids = ids
        self._texts = texts

    def query(self) -> str:
        """Returns a query of some root fields."""
        assert SCHEMA.query_type is not None
        return f"query {self._selection(SCHEMA.query_type, DEPTH)}"

    def mutation(self, name: str) -> str:
        """Returns a call of a mutation."""
        assert SCHEMA.mutation_type is not None
        field = SCHEMA.mutation_type.fields[name]
        return f"mutation {{ {self._field(name, name, field, DEPTH)} }}"

    def subscription(self, name: str) -> str:
        """Returns a subscription."""
        assert SCHEMA.subscription_type is not None
        field = SCHEMA.subscription_type.fields[name]
        return f"subscription {{ {self._field(name, name, field, DEPTH)} }}"

    def _selection(self, of: GraphQLNamedType, depth: int) -> str:
        if is_abstract_type(of):
            members = SCHEMA.get_possible_types(of)
            parts = [f"... on {each.name} {self._selection(each, depth)}" for each in members]
            return f"{{ __typename {' '.join(parts)} }}"
        assert is_object_type(of)
        leaves = [name for name, field in of.fields.items() if is_leaf_type(get_named_type(field.type))]
        edges = [name for name in of.fields if name not in leaves and depth > 0]
        chosen = self._some(leaves) + self._some(edges)
        parts = [
            self._field(f"{of.name}_{name}_{self._number()}", name, of.fields[name], depth) for name in chosen
        ]
        return f"{{ __typename {' '.join(parts)} }}"

    def _field(self, alias: str, name: str, field: GraphQLField, depth: int) -> str:
        given = {
            key: self._value(argument.type)
            for key, argument in field.args.items()
            if is_required_argument(argument) or (key not in CURSORS and self._random.random() < OPTIONAL)
        }
        if "last" in given:
            given.pop("first", None)
        arguments = f"({', '.join(f'{key}: {value}' for key, value in given.items())})" if given else ""
        named = get_named_type(field.type)
        below = "" if is_leaf_type(named) else self._selection(named, depth - 1)
        return f"{alias}: {name}{arguments} {below}"

    def _value(self, of: GraphQLInputType) -> str:
        nullable = get_nullable_type(of)
        if is_list_type(nullable):
            return f"[{', '.join(self._value(nullable.of_type) for _ in range(self._random.randint(1, 3)))}]"
        named = get_named_type(nullable)
        if is_enum_type(named):
            return str(self._random.choice(list(named.values)))
        if is_input_object_type(named):
            return self._object(named)
        texts: Mapping[str, Sequence[str]] = {"ID": self._ids, "String": self._texts}
        if named.name in texts:
            return f'"{self._random.choice(texts[named.name])}"'
        return SCALARS[named.name]

    def _object(self, of: Any) -> str:
        fields = of.fields
        if of.extensions["strawberry-definition"].is_one_of:
            name = self._random.choice(list(fields))
            return f"{{{name}: {self._value(fields[name].type)}}}"
        chosen = [
            name
            for name, field in fields.items()
            if is_required_input_field(field) or self._random.random() < OPTIONAL
        ]
        return f"{{{', '.join(f'{name}: {self._value(fields[name].type)}' for name in chosen)}}}"

    def _some(self, names: Sequence[str]) -> list[str]:
        return self._random.sample(names, min(len(names), self._random.randint(1, FIELDS)))

    def _number(self) -> int:
        return self._random.randrange(10**9)


CURSORS = ("after", "before")
"""What no random text can be."""
