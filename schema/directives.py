"""The schema directives: what a field costs, how long its list may be, and when it may be null.

`@cost` and `@listSize` are those of the IBM cost specification (https://ibm.github.io/graphql-specs/cost-spec.html),
`@semanticNonNull` is that of the nullability specification (https://specs.apollo.dev/nullability/v0.4).
"""

from __future__ import annotations

import strawberry
from strawberry.schema_directive import Location


@strawberry.schema_directive(
    name="cost",
    description="Static weight of one value or argument in an operation's cost (IBM cost directives).",
    locations=[
        Location.ARGUMENT_DEFINITION,
        Location.ENUM,
        Location.FIELD_DEFINITION,
        Location.OBJECT,
        Location.SCALAR,
    ],
)
class Cost:
    """`weight` is a decimal number; without it an object weighs 1, a scalar and an enum 0."""

    weight: str


@strawberry.schema_directive(
    name="listSize",
    description=(
        "How many entries a list is taken to have: the value of one of `slicingArguments`, else "
        "`assumedSize`. With `sizedFields` it is those fields of the returned object that hold the list."
    ),
    locations=[Location.FIELD_DEFINITION],
)
class ListSize:
    """A list without it counts as one entry."""

    assumed_size: int | None = strawberry.UNSET
    slicing_arguments: list[str] | None = strawberry.UNSET
    sized_fields: list[str] | None = strawberry.UNSET
    require_one_slicing_argument: bool | None = True


@strawberry.schema_directive(
    name="semanticNonNull",
    description="Null only when `errors` holds the same path; Relay and Apollo Kotlin read it as non-null.",
    locations=[Location.FIELD_DEFINITION],
)
class SemanticNonNull:
    """`levels`: 0 is the field itself, 1 the entries of its list."""

    levels: list[int] = (0,)  # type: ignore[assignment]  # a list would be a mutable default


CONNECTION_SIZE = ListSize(
    assumed_size=20,
    slicing_arguments=["first", "last"],
    sized_fields=["edges", "nodes"],
    require_one_slicing_argument=False,
)
"""What every connection field carries: pages of 20 unless `first` or `last` says otherwise."""
