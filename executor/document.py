"""What a plan needs to know of a document before any type is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
)
from graphql.execution.collect_fields import FragmentDetails

from executor.refusal import Refused
from executor.variables import Variables

_CONDITIONS = ("skip", "include")
_UNKNOWN = ("defer", "stream")


@dataclass(frozen=True, slots=True, eq=False)
class DocumentOperation:
    """One operation of a document, with its fragments and the variables that choose its fields.

    `switches` are the names of the variables in @skip and @include: a plan holds for one set of their values.
    """

    node: OperationDefinitionNode
    definitions: dict[str, FragmentDefinitionNode]
    fragments: dict[str, FragmentDetails]
    switches: tuple[str, ...]
    variables: Variables


def read_operation(schema: GraphQLSchema, document: DocumentNode, name: str | None) -> DocumentOperation:
    """Returns the operation that a request names.

    Raises `Refused` where graphql-core would answer with an error, and for incremental delivery, fragment
    arguments, and operations with directives of their own.
    """
    node = _chosen(document, name)
    if node.directives:
        raise Refused("directive on the operation")
    definitions = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    if any(definition.variable_definitions for definition in definitions.values()):
        raise Refused("fragment arguments")
    switches: dict[str, None] = {}
    for selections in (node.selection_set, *(each.selection_set for each in definitions.values())):
        switches.update(dict.fromkeys(_switches(selections)))
    fragments = {key: FragmentDetails(definition, None) for key, definition in definitions.items()}
    variables = Variables(schema, tuple(node.variable_definitions or ()))
    return DocumentOperation(node, definitions, fragments, tuple(switches), variables)


def _chosen(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if name is not None:
        operations = [each for each in operations if each.name and each.name.value == name][-1:]
    if len(operations) != 1:
        raise Refused("no single operation of that name")
    return operations[0]


def _switches(selections: SelectionSetNode) -> Iterator[str]:
    for selection in selections.selections:
        for directive in selection.directives or ():
            yield from _variables(directive)
        inner = _inner(selection)
        if inner is not None:
            yield from _switches(inner)


def _variables(directive: DirectiveNode) -> Iterator[str]:
    name = directive.name.value
    if name in _UNKNOWN:
        raise Refused("incremental delivery")
    if name in _CONDITIONS:
        for argument in directive.arguments or ():
            if isinstance(argument.value, VariableNode):
                yield argument.value.name.value


def _inner(selection: SelectionNode) -> SelectionSetNode | None:
    return selection.selection_set if isinstance(selection, FieldNode | InlineFragmentNode) else None
