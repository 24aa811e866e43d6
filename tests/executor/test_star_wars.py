"""What graphql-core publishes about the Star Wars schema, executed by both executors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.executor.both import both
from tests.executor.star_wars import schema

R2_FRIENDS = [{"name": "Luke Skywalker"}, {"name": "Han Solo"}, {"name": "Leia Organa"}]
SECRET = "secretBackstory is secret."


@pytest.mark.parametrize(
    ("text", "variables", "data"),
    [
        ("query HeroNameQuery { hero { name } }", {}, {"hero": {"name": "R2-D2"}}),
        (
            "query { hero { id name friends { name } } }",
            {},
            {"hero": {"id": "2001", "name": "R2-D2", "friends": R2_FRIENDS}},
        ),
        (
            "{ hero { name friends { name appearsIn friends { name } } } }",
            {},
            {
                "hero": {
                    "name": "R2-D2",
                    "friends": [
                        {
                            "name": "Luke Skywalker",
                            "appearsIn": ["NEW_HOPE", "EMPIRE", "JEDI"],
                            "friends": [
                                {"name": "Han Solo"},
                                {"name": "Leia Organa"},
                                {"name": "C-3PO"},
                                {"name": "R2-D2"},
                            ],
                        },
                        {
                            "name": "Han Solo",
                            "appearsIn": ["NEW_HOPE", "EMPIRE", "JEDI"],
                            "friends": [
                                {"name": "Luke Skywalker"},
                                {"name": "Leia Organa"},
                                {"name": "R2-D2"},
                            ],
                        },
                        {
                            "name": "Leia Organa",
                            "appearsIn": ["NEW_HOPE", "EMPIRE", "JEDI"],
                            "friends": [
                                {"name": "Luke Skywalker"},
                                {"name": "Han Solo"},
                                {"name": "C-3PO"},
                                {"name": "R2-D2"},
                            ],
                        },
                    ],
                }
            },
        ),
        ('{ human(id: "1000") { name } }', {}, {"human": {"name": "Luke Skywalker"}}),
        (
            "query FetchSomeIDQuery($someId: String!) { human(id: $someId) { name } }",
            {"someId": "1002"},
            {"human": {"name": "Han Solo"}},
        ),
        ("query ($id: String!) { human(id: $id) { name } }", {"id": "not a valid id"}, {"human": None}),
        (
            '{ luke: human(id: "1000") { name } leia: human(id: "1003") { name } }',
            {},
            {"luke": {"name": "Luke Skywalker"}, "leia": {"name": "Leia Organa"}},
        ),
        (
            """{ luke: human(id: "1000") { ...HumanFragment } leia: human(id: "1003") { ...HumanFragment } }
            fragment HumanFragment on Human { name homePlanet }""",
            {},
            {
                "luke": {"name": "Luke Skywalker", "homePlanet": "Tatooine"},
                "leia": {"name": "Leia Organa", "homePlanet": "Alderaan"},
            },
        ),
        ("{ hero { __typename name } }", {}, {"hero": {"__typename": "Droid", "name": "R2-D2"}}),
        (
            "{ hero(episode: EMPIRE) { __typename name } }",
            {},
            {"hero": {"__typename": "Human", "name": "Luke Skywalker"}},
        ),
        (
            """{ droid(id: "2000") {
                primaryFunction ... on Character { friends { ... on Human { homePlanet } } }
            } }""",
            {},
            {
                "droid": {
                    "primaryFunction": "Protocol",
                    "friends": [
                        {"homePlanet": "Tatooine"},
                        {"homePlanet": None},
                        {"homePlanet": "Alderaan"},
                        {},
                    ],
                }
            },
        ),
    ],
)
def test_star_wars_queries_answer_as_published(
    text: str, variables: dict[str, Any], data: dict[str, Any]
) -> None:
    result = both(schema, text, variables)

    assert result.errors is None
    assert result.data == data


def test_an_error_on_a_field_makes_only_that_field_null() -> None:
    result = both(schema, "{ hero { name secretBackstory } }")

    assert result.data == {"hero": {"name": "R2-D2", "secretBackstory": None}}
    assert [(error.message, error.path) for error in result.errors or ()] == [
        (SECRET, ["hero", "secretBackstory"])
    ]


def test_errors_in_a_list_carry_the_index_of_their_item() -> None:
    result = both(schema, "{ hero { name friends { name secretBackstory } } }")

    assert result.data == {
        "hero": {"name": "R2-D2", "friends": [{**friend, "secretBackstory": None} for friend in R2_FRIENDS]}
    }
    assert [error.path for error in result.errors or ()] == [
        ["hero", "friends", index, "secretBackstory"] for index in range(3)
    ]


def test_an_error_under_an_alias_carries_the_alias() -> None:
    result = both(schema, "{ mainHero: hero { name story: secretBackstory } }")

    assert result.data == {"mainHero": {"name": "R2-D2", "story": None}}
    assert [error.path for error in result.errors or ()] == [["mainHero", "story"]]


def test_introspection_is_left_to_graphql_core() -> None:
    result = both(schema, '{ __type(name: "Droid") { name kind } }', allow_fallback=True)

    assert result.data == {"__type": {"name": "Droid", "kind": "OBJECT"}}
