from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select

from db.queries.models import retire_versions
from db.tables.aliases import alias_changes
from db.types import now
from engine.audit import OPERATOR
from engine.catalog import Catalog
from engine.errors import ConflictError, ExpectedError, InvalidInputError, ManyErrors, NotFoundError
from engine.registry import Registry
from engine.revision import changing_registry
from engine.values import AliasRequest, ModelRef, VersionRef
from tests.engine.routing.fleet import Fleet, alias_request, definition


async def history(fleet: Fleet) -> list[tuple[int, dict[str | None, int]]]:
    """Returns the revisions of all aliases, with the targets of each."""
    async with fleet.workshop.database.read() as connection:
        rows = (await connection.execute(select(alias_changes).order_by(alias_changes.c.id))).all()
    return [
        (row.revision, {fleet.name(each["version_id"]): each["weight"] for each in row.targets})
        for row in rows
    ]


async def test_an_alias_is_made_then_moved_and_every_revision_is_kept(any_fleet: Fleet) -> None:
    made = await any_fleet.alias(targets={"1": 1})
    moved = await any_fleet.alias(targets={"1": 90, "2": 10}, expected=1)

    assert (made.revision, moved.revision, made.id == moved.id) == (1, 2, True)
    assert await history(any_fleet) == [(1, {"1": 1}), (2, {"1": 90, "2": 10})]
    assert moved.updated_at >= made.updated_at


async def test_an_alias_that_points_there_already_stays_at_its_revision_whatever_was_expected(
    any_fleet: Fleet,
) -> None:
    await any_fleet.alias(targets={"2": 1}, fallbacks=("1",))

    again = await any_fleet.alias(targets={"2": 1}, fallbacks=("1",), expected=7)

    assert again.revision == 1
    assert len(await history(any_fleet)) == 1


async def test_an_alias_that_somebody_else_moved_is_not_moved_and_tells_its_revision(
    any_fleet: Fleet,
) -> None:
    await any_fleet.alias(targets={"1": 1}, expected=0)
    await any_fleet.alias(targets={"2": 1}, expected=1)

    with pytest.raises(ConflictError, match="at revision 2") as refused:
        await any_fleet.alias(targets={"3": 1}, expected=1)

    assert refused.value.current_revision == 2
    assert refused.value.path == ("input", "expectedRevision")
    assert len(await history(any_fleet)) == 2


async def test_an_alias_that_is_not_there_has_no_revision_to_expect(fleet: Fleet) -> None:
    with pytest.raises(ConflictError, match="no such alias") as refused:
        await fleet.alias(expected=1)

    assert refused.value.current_revision == 0


def wrong(change: Callable[[AliasRequest], AliasRequest]) -> AliasRequest:
    return change(alias_request(targets={"1": 1, "2": 1}))


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (alias_request("Production"), "input.name"),
        (alias_request("-"), "input.name"),
        (alias_request("a" * 65), "input.name"),
        (wrong(lambda it: replace(it, targets=())), "input.targets"),
        (wrong(lambda it: replace(it, targets=it.targets * 6)), "input.targets"),
        (wrong(lambda it: replace(it, targets=it.targets * 2)), "input.targets"),
        (alias_request(targets={"1": 0}), "input.targets"),
        (alias_request(targets={"1": -1, "2": 1}), "input.targets.0.weight"),
        (alias_request(targets={"1": 10_001}), "input.targets.0.weight"),
        (alias_request(shadow=("2", 0.0)), "input.shadow.sampleRate"),
        (alias_request(shadow=("2", 1.5)), "input.shadow.sampleRate"),
        (alias_request(shadow=("1", 0.5)), "input.shadow.version"),
        (alias_request(fallbacks=("2", "2")), "input.fallbacks"),
        (alias_request(targets={"9": 1}), "input.targets.0.version.version"),
        (alias_request(shadow=("9", 0.5)), "input.shadow.version.version"),
        (alias_request(fallbacks=("2", "9")), "input.fallbacks.1.version"),
        (replace(alias_request(), model=ModelRef(name="none")), "input.model.name"),
    ],
)
async def test_what_an_alias_can_not_be_is_refused_and_said_where(
    fleet: Fleet, asked: AliasRequest, path: str
) -> None:
    with pytest.raises((InvalidInputError, NotFoundError)) as refused:
        await fleet.aliases.set(fleet.workshop.viewer, asked, OPERATOR)

    assert isinstance(refused.value, ExpectedError)
    assert ".".join(refused.value.path or ()) == path
    assert await history(fleet) == []


async def test_everything_that_is_wrong_is_said_at_once(fleet: Fleet) -> None:
    asked = alias_request("Production", targets={"1": -1}, shadow=("2", 2.0))

    with pytest.raises(ManyErrors) as refused:
        await fleet.aliases.set(fleet.workshop.viewer, asked, OPERATOR)

    assert len(refused.value.errors) == 3


async def test_an_alias_does_not_lead_to_a_retired_version(fleet: Fleet) -> None:
    here = fleet.workshop.here
    async with changing_registry(fleet.workshop.database, here.bus) as connection:
        await retire_versions(connection, now(), version_id=fleet.version("2").row.id)
    await here.serving.look()

    with pytest.raises(ConflictError, match="fleet/2 is retired"):
        await fleet.alias(targets={"2": 1})


async def test_a_project_puts_an_alias_of_its_own_before_that_of_the_operator(fleet: Fleet) -> None:
    aliases = [{"name": "production", "targets": [{"version": "1"}]}]
    await Registry(fleet.workshop.database).apply([definition(aliases=aliases)])
    await fleet.workshop.here.serving.look()
    before = fleet.went(await fleet.ask())

    await fleet.alias(targets={"3": 1})

    assert (before[1], fleet.went(await fleet.ask())[1]) == ("1", "3")
    stranger = replace(fleet.workshop.viewer, project_id="0" * 32)
    route = fleet.workshop.here.router.route(stranger, ModelRef(name="fleet"), VersionRef(alias="production"))
    assert route.asked.row.version == "1"


async def test_another_process_routes_by_what_it_reads(fleet: Fleet) -> None:
    there = Catalog(fleet.workshop.database)
    await there.refresh()
    await fleet.alias(targets={"2": 3}, shadow=("3", 0.25), fallbacks=("1",))

    assert await there.refresh_if_stale()

    alias = there.model(fleet.workshop.viewer, ModelRef(name="fleet")).alias(
        fleet.workshop.viewer.project_id, "production"
    )
    assert alias is not None
    assert [(version.row.version, weight) for version, weight in alias.targets] == [("2", 3)]
    assert alias.shadow is not None
    assert (alias.shadow[0].row.version, alias.shadow[1]) == ("3", 0.25)
    assert [version.row.version for version in alias.fallbacks] == ["1"]


async def test_nothing_is_routed_by_a_deleted_alias_in_any_process(any_fleet: Fleet) -> None:
    there = Catalog(any_fleet.workshop.database)
    await any_fleet.alias(targets={"2": 1})
    await there.refresh()

    deleted = await any_fleet.delete_alias(expected=1)

    with pytest.raises(NotFoundError, match="no alias 'production'"):
        await any_fleet.ask()
    assert await there.refresh_if_stale()
    model = there.model(any_fleet.workshop.viewer, ModelRef(name="fleet"))
    assert model.alias(any_fleet.workshop.viewer.project_id, "production") is None
    assert (deleted.revision, deleted.deleted_at) == (2, deleted.updated_at)
    assert await history(any_fleet) == [(1, {"2": 1}), (2, {})]


async def test_a_deleted_alias_comes_back_by_its_name_one_revision_on(any_fleet: Fleet) -> None:
    made = await any_fleet.alias(targets={"1": 1})
    await any_fleet.delete_alias()

    again = await any_fleet.alias(targets={"1": 1}, expected=0)

    assert (again.id, again.revision, again.deleted_at) == (made.id, 3, None)
    assert await history(any_fleet) == [(1, {"1": 1}), (2, {}), (3, {"1": 1})]
    assert (await any_fleet.ask()).alias_id == made.id


async def test_an_alias_that_is_not_there_is_not_deleted(fleet: Fleet) -> None:
    await fleet.alias()
    with pytest.raises(ConflictError, match="at revision 1") as moved:
        await fleet.delete_alias(expected=7)
    await fleet.delete_alias()

    with pytest.raises(NotFoundError) as twice:
        await fleet.delete_alias(expected=2)

    assert (moved.value.current_revision, moved.value.path) == (1, ("input", "expectedRevision"))
    assert twice.value.path == ("input", "name")


async def test_an_alias_of_the_operator_is_seen_again_and_not_deleted(fleet: Fleet) -> None:
    aliases = [{"name": "production", "targets": [{"version": "1"}]}]
    await Registry(fleet.workshop.database).apply([definition(aliases=aliases)])
    await fleet.alias(targets={"3": 1})

    await fleet.delete_alias()

    assert fleet.went(await fleet.ask())[1] == "1"
    with pytest.raises(ConflictError, match="operator's") as refused:
        await fleet.delete_alias()
    assert refused.value.path == ("input", "name")
