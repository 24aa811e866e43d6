"""The schema keeps its own rules, and a schema that breaks one is told so."""

import pytest

from foretell.cli.schema import sdl
from schema.sdl.lints import lints

PLAIN = '''
"""Reads."""
type Query {
  """A thing."""
  thing("""Which."""
  id: ID!): Thing
}
"""A thing."""
type Thing {
  """Opaque."""
  id: ID!
}
'''


def broken(what: str, by: str) -> list[str]:
    assert what in PLAIN
    return lints(PLAIN.replace(what, by))


def test_the_schema_keeps_the_rules() -> None:
    assert lints(sdl()) == []


def test_a_plain_schema_keeps_the_rules() -> None:
    assert lints(PLAIN) == []


@pytest.mark.parametrize(
    ("what", "by", "problem"),
    [
        ('"""A thing."""\n  ', "", "Query.thing has no description."),
        ('"""Which."""', "", "Query.thing.id has no description."),
        ('"""A thing."""\ntype', "type", "Thing has no description."),
        ("Thing", "ThingType", "ThingType is no name for a type: PascalCase, without the word for its kind."),
        ("Thing", "ThingInput", "ThingInput must end with `Input` if it is one, and only then."),
        ("thing(", "get_thing(", "Query.get_thing is not camelCase."),
        ("thing(", "getThing(", "Query.getThing repeats the name of its type, or begins with `get`."),
        ("  id: ID!\n}", "  thingId: ID!\n}",
         "Thing.thingId repeats the name of its type, or begins with `get`."),
        ("  id: ID!\n}", "  id: String!\n}", "Thing.id is not of the type ID!."),
        ("): Thing", "): Thing!", "Query.thing can not be null."),
        ("): Thing", "): Int", "Query.thing is a scalar, which nothing can be added to."),
        ("Thing", "ThingConnection", "Query.thing can not be paged both ways."),
        ("Thing", "ThingEdge", "ThingEdge has no `cursor: String!` and `node`."),
        ("Thing", "PageInfo", "PageInfo is not Relay's."),
        ("): Thing", '): Thing @deprecated(reason: "Old.")',
         "Query.thing is deprecated without `Removal on YYYY-MM-DD UTC.` at the end of the reason."),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_told(what: str, by: str, problem: str) -> None:
    assert problem in broken(what, by)


@pytest.mark.parametrize(
    ("mutation", "problem"),
    [
        ("addThing(id: ID!): AddThingPayload!", "takes something else than `input: AddThingInput!`."),
        ("addThing: Int", "gives something else than AddThingPayload!."),
    ],
)
def test_a_mutation_of_another_form_is_told(mutation: str, problem: str) -> None:
    payload = "type AddThingPayload { thing: Thing }"

    found = lints(f"{PLAIN} type Mutation {{ {mutation} }} {payload}")

    assert f"Mutation.addThing {problem}" in found
    assert ("AddThingPayload has no `errors: [UserError!]!`." in found) == ("Payload" in mutation)


def test_a_deprecation_with_a_date_keeps_the_rules() -> None:
    dated = '@deprecated(reason: "Use `other`. Removal on 2027-05-20 UTC.")'

    assert broken("): Thing", f"): Thing {dated}") == []
