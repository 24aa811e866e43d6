"""The Star Wars schema of the GraphQL documentation, as Strawberry types."""

from __future__ import annotations

import enum

import strawberry


@strawberry.enum(description="One of the films in the Star Wars trilogy")
class Episode(enum.Enum):
    NEW_HOPE = 4
    EMPIRE = 5
    JEDI = 6


@strawberry.interface
class Character:
    id: str
    name: str | None
    appears_in: list[Episode | None] | None
    friend_ids: strawberry.Private[list[str]]

    @strawberry.field
    async def friends(self) -> list[Character | None] | None:
        return [_CHARACTERS[id_] for id_ in self.friend_ids]

    @strawberry.field
    def secret_backstory(self) -> str | None:
        raise RuntimeError("secretBackstory is secret.")


@strawberry.type
class Human(Character):
    home_planet: str | None = None


@strawberry.type
class Droid(Character):
    primary_function: str | None = None


@strawberry.type
class Query:
    @strawberry.field
    def hero(self, episode: Episode | None = None) -> Character | None:
        return _LUKE if episode is Episode.EMPIRE else _ARTOO

    @strawberry.field
    def human(self, id: str) -> Human | None:
        found = _CHARACTERS.get(id)
        return found if isinstance(found, Human) else None

    @strawberry.field
    async def droid(self, id: str) -> Droid | None:
        found = _CHARACTERS.get(id)
        return found if isinstance(found, Droid) else None


_ALL: list[Episode | None] = [Episode.NEW_HOPE, Episode.EMPIRE, Episode.JEDI]
_LUKE = Human(
    id="1000",
    name="Luke Skywalker",
    friend_ids=["1002", "1003", "2000", "2001"],
    appears_in=_ALL,
    home_planet="Tatooine",
)
_ARTOO = Droid(
    id="2001",
    name="R2-D2",
    friend_ids=["1000", "1002", "1003"],
    appears_in=_ALL,
    primary_function="Astromech",
)
_CHARACTERS: dict[str, Human | Droid] = {
    each.id: each
    for each in (
        _LUKE,
        Human(id="1001", name="Darth Vader", friend_ids=["1004"], appears_in=_ALL, home_planet="Tatooine"),
        Human(id="1002", name="Han Solo", friend_ids=["1000", "1003", "2001"], appears_in=_ALL),
        Human(
            id="1003",
            name="Leia Organa",
            friend_ids=["1000", "1002", "2000", "2001"],
            appears_in=_ALL,
            home_planet="Alderaan",
        ),
        Human(id="1004", name="Wilhuff Tarkin", friend_ids=["1001"], appears_in=[Episode.NEW_HOPE]),
        Droid(
            id="2000",
            name="C-3PO",
            friend_ids=["1000", "1002", "1003", "2001"],
            appears_in=_ALL,
            primary_function="Protocol",
        ),
        _ARTOO,
    )
}

schema = strawberry.Schema(Query, types=[Human, Droid])
