import asyncio
import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.queries import keys as queries
from db.session import Database
from db.tables import ApiKeyRow, ProjectRow
from db.types import now
from engine.errors import ConflictError, InvalidInputError, ManyErrors, NotFoundError, UnauthenticatedError
from engine.identity.api_keys import ApiKeys
from engine.key_secrets import (
    ALPHABET,
    PREFIX_LENGTH,
    RANDOM_LENGTH,
    SECRET_LENGTH,
    START,
    checksum,
    is_well_formed,
    new_secret,
)
from engine.keys import Keys
from engine.values import KeyRequest, Scope, Viewer


@pytest.fixture
def keys(database: Database) -> Keys:
    return Keys(database)


@pytest.fixture
async def project(keys: Keys) -> ProjectRow:
    return await keys.create_project("one")


async def viewer_of(keys: Keys, secret: str) -> Viewer:
    return await ApiKeys(keys._database).viewer(secret)


async def stored(database: Database, secret: str) -> ApiKeyRow:
    async with database.read() as connection:
        row = await queries.key_by_prefix(connection, secret[:PREFIX_LENGTH])
    assert row is not None
    return row


def test_a_secret_has_its_start_enough_randomness_and_achecksum() -> None:
    secrets = {new_secret() for _ in range(1000)}

    assert len(secrets) == 1000
    assert all(secret.startswith("fk_") and len(secret) == SECRET_LENGTH for secret in secrets)
    assert all(is_well_formed(secret) for secret in secrets)


@given(st.data())
def test_one_wrong_character_is_seen_without_the_database(data: st.DataObject) -> None:
    secret = new_secret()
    place = data.draw(st.integers(0, SECRET_LENGTH - 1))
    other = data.draw(st.sampled_from(ALPHABET + "-é ").filter(lambda letter: letter != secret[place]))

    assert not is_well_formed(secret[:place] + other + secret[place + 1 :])


@given(st.text(max_size=60))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    assert not is_well_formed(text)


async def test_a_key_is_recognised_as_its_project_with_its_scopes(keys: Keys, project: ProjectRow) -> None:
    row, secret = await keys.create(project.id, "ci", [Scope.MODELS_READ, Scope.JOBS_READ])

    viewer = await viewer_of(keys, secret)

    scopes = frozenset({Scope.MODELS_READ, Scope.JOBS_READ})
    assert viewer == Viewer(project.id, row.id, "ci", scopes, None, credential=row.prefix)


async def test_the_secret_is_not_in_the_database(database: Database, keys: Keys, project: ProjectRow) -> None:
    _, secret = await keys.create(project.id, "ci", [Scope.MODELS_READ])

    row = await stored(database, secret)

    shown = repr(row._asdict())  # type: ignore[attr-defined]
    assert row.prefix == secret[:PREFIX_LENGTH]
    assert secret[PREFIX_LENGTH:] not in shown
    assert len(row.secret_hash) == 32


@pytest.mark.parametrize(
    "secret", ["", "fk_", "Bearer", "x" * SECRET_LENGTH, "fk_" + "0" * 36, "fk_" + "é" * 36]
)
async def test_what_can_be_no_key_is_refused(keys: Keys, secret: str) -> None:
    with pytest.raises(UnauthenticatedError, match="not an API key"):
        await viewer_of(keys, secret)


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("fk_" + "0" * 36, "its checksum does not fit"),
        ("fk_" + "0" * 35, "have 39 characters. Is it mistyped or cut?"),
    ],
)
async def test_a_key_that_is_mistyped_is_told_from_one_that_is_cut(
    keys: Keys, secret: str, said: str
) -> None:
    with pytest.raises(UnauthenticatedError, match=re.escape(said)):
        await viewer_of(keys, secret)


async def test_a_key_that_was_never_made_is_refused(keys: Keys) -> None:
    with pytest.raises(UnauthenticatedError, match="no such API key"):
        await viewer_of(keys, new_secret())


async def test_a_right_start_and_checksum_are_not_enough(keys: Keys, project: ProjectRow) -> None:
    _, secret = await keys.create(project.id, "ci", [Scope.MODELS_READ])
    guess = secret[:PREFIX_LENGTH] + "0" * (RANDOM_LENGTH - PREFIX_LENGTH + len(START))

    with pytest.raises(UnauthenticatedError, match="no such API key"):
        await viewer_of(keys, guess + checksum(guess[len(START) :]))


async def test_a_revoked_key_is_refused_at_once(keys: Keys, project: ProjectRow) -> None:
    row, secret = await keys.create(project.id, "ci", [Scope.MODELS_READ])

    await keys.revoke(project.id, row.id)

    with pytest.raises(UnauthenticatedError, match="revoked"):
        await viewer_of(keys, secret)


async def test_a_key_revoked_twice_keeps_its_first_time(keys: Keys, project: ProjectRow) -> None:
    row, _ = await keys.create(project.id, "ci", [Scope.MODELS_READ])

    first = await keys.revoke(project.id, row.id)
    second = await keys.revoke(project.id, row.id)

    assert first.revoked_at is not None
    assert second.revoked_at == first.revoked_at


async def test_a_key_of_another_project_can_not_be_revoked(keys: Keys, project: ProjectRow) -> None:
    row, secret = await keys.create(project.id, "ci", [Scope.MODELS_READ])
    other = await keys.create_project("other")

    with pytest.raises(NotFoundError):
        await keys.revoke(other.id, row.id)

    assert (await viewer_of(keys, secret)).project_id == project.id


async def test_a_key_works_until_it_expires(keys: Keys, project: ProjectRow) -> None:
    expires_at = now() + timedelta(seconds=1)
    _, secret = await keys.create(project.id, "ci", [Scope.MODELS_READ], expires_at)

    viewer = await viewer_of(keys, secret)
    await asyncio.sleep(1)

    assert viewer.expires_at == expires_at
    with pytest.raises(UnauthenticatedError, match="expired"):
        await viewer_of(keys, secret)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\0b", "\x1b[31mred"])
async def test_a_name_has_1_to_100_characters(keys: Keys, project: ProjectRow, name: str) -> None:
    with pytest.raises(InvalidInputError, match="1 to 100 printable characters"):
        await keys.create(project.id, name, [Scope.MODELS_READ])
    with pytest.raises(InvalidInputError, match="1 to 100 printable characters"):
        await keys.create_project(name)


async def test_a_key_needs_a_scope_and_a_future(keys: Keys, project: ProjectRow) -> None:
    with pytest.raises(InvalidInputError, match="scope"):
        await keys.create(project.id, "ci", [])
    with pytest.raises(InvalidInputError, match="past"):
        await keys.create(project.id, "ci", [Scope.MODELS_READ], now() - timedelta(seconds=1))


async def test_all_that_is_wrong_with_a_key_is_told_at_once(keys: Keys, project: ProjectRow) -> None:
    with pytest.raises(ManyErrors) as refused:
        await keys.create(project.id, "", [], now(), models=[])

    paths = [error.path for error in refused.value.errors]
    assert paths == [("input", name) for name in ("name", "scopes", "models", "expiresAt")]


async def test_nobody_grants_what_it_has_not_got(keys: Keys, project: ProjectRow) -> None:
    scopes = frozenset({Scope.KEYS_ADMIN, Scope.MODELS_READ})
    giver = Viewer(project.id, None, "giver", scopes, models=frozenset({"a", "b"}))

    granted = await keys.grant(giver, KeyRequest("less", (Scope.MODELS_READ,), ("a",)), "request")
    for scope, models, path in [
        (Scope.JOBS_WRITE, ("a",), "scopes"),
        (Scope.MODELS_READ, ("a", "c"), "models"),
        (Scope.MODELS_READ, None, "models"),
    ]:
        with pytest.raises(InvalidInputError, match="can not grant") as refused:
            await keys.grant(giver, KeyRequest("more", (scope,), models), "request")
        assert refused.value.path == ("input", path)

    assert (granted.row.scopes, granted.row.models) == (["MODELS_READ"], ["a"])


async def test_a_rotated_key_has_two_secrets_for_a_while(keys: Keys, project: ProjectRow) -> None:
    row, old = await keys.create(project.id, "ci", [Scope.MODELS_READ])

    rotated = await keys.rotate(project.id, row.id, timedelta(seconds=1))
    before, after = await viewer_of(keys, old), await viewer_of(keys, rotated.secret)
    await asyncio.sleep(1)

    assert (before.api_key_id, after.api_key_id) == (row.id, row.id)
    assert (before.expires_at, after.expires_at) == (rotated.previous_expires_at, None)
    assert (before.credential, after.credential) == (old[:PREFIX_LENGTH], rotated.row.prefix)
    with pytest.raises(UnauthenticatedError, match="expired"):
        await viewer_of(keys, old)
    assert (await viewer_of(keys, rotated.secret)).api_key_id == row.id


async def test_a_rotation_without_overlap_ends_every_earlier_secret(keys: Keys, project: ProjectRow) -> None:
    row, first = await keys.create(project.id, "ci", [Scope.MODELS_READ])
    second = (await keys.rotate(project.id, row.id, timedelta(days=1))).secret

    third = (await keys.rotate(project.id, row.id, timedelta())).secret

    assert (await viewer_of(keys, third)).api_key_id == row.id
    for secret in (first, second):
        with pytest.raises(UnauthenticatedError):
            await viewer_of(keys, secret)


async def test_a_key_that_was_rotated_often_leaves_no_more_than_its_overlap(
    any_database: Database,
) -> None:
    keys = Keys(any_database)
    project = await keys.create_project("one")
    row, first = await keys.create(project.id, "ci", [Scope.MODELS_READ])
    rotated = [await keys.rotate(project.id, row.id, timedelta(hours=1)) for _ in range(3)]
    secrets = [first, *(each.secret for each in rotated)]

    async with any_database.read() as connection:
        live = await queries.live_prefixes(connection, [each[:PREFIX_LENGTH] for each in secrets], now())
        later = now() + timedelta(hours=2)
        left = await queries.live_prefixes(connection, [each[:PREFIX_LENGTH] for each in secrets], later)

    assert sorted(live) == sorted(each[:PREFIX_LENGTH] for each in secrets)
    assert left == [secrets[-1][:PREFIX_LENGTH]]


async def test_revoking_a_key_ends_its_earlier_secrets_too(keys: Keys, project: ProjectRow) -> None:
    row, old = await keys.create(project.id, "ci", [Scope.MODELS_READ])
    rotated = await keys.rotate(project.id, row.id, timedelta(days=1))

    await keys.revoke(project.id, row.id)

    for secret in (old, rotated.secret):
        with pytest.raises(UnauthenticatedError, match="revoked"):
            await viewer_of(keys, secret)
    with pytest.raises(ConflictError, match="revoked"):
        await keys.rotate(project.id, row.id, timedelta())


async def test_nobody_gets_at_a_secret_that_may_do_more_by_rotating_it(
    keys: Keys, project: ProjectRow
) -> None:
    row, secret = await keys.create(project.id, "admin", Scope)
    weak = Viewer(project.id, None, "weak", frozenset({Scope.KEYS_ADMIN}))
    blind = Viewer(project.id, None, "blind", frozenset(Scope), models=frozenset({"a"}))

    for viewer in (weak, blind):
        with pytest.raises(InvalidInputError, match="can not grant"):
            await keys.rotate(project.id, row.id, timedelta(), rotated_by=viewer)

    assert (await viewer_of(keys, secret)).api_key_id == row.id


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=30, seconds=1)])
async def test_an_overlap_is_at_most_30_days(keys: Keys, project: ProjectRow, overlap: timedelta) -> None:
    row, _ = await keys.create(project.id, "ci", [Scope.MODELS_READ])

    with pytest.raises(InvalidInputError, match="0 to 2592000 seconds"):
        await keys.rotate(project.id, row.id, overlap)


async def test_a_key_of_another_project_can_not_be_rotated(keys: Keys, project: ProjectRow) -> None:
    row, _ = await keys.create(project.id, "ci", [Scope.MODELS_READ])
    other = await keys.create_project("other")

    with pytest.raises(NotFoundError):
        await keys.rotate(other.id, row.id, timedelta())


async def test_projects_have_different_names(keys: Keys, project: ProjectRow) -> None:
    with pytest.raises(ConflictError, match="'one'"):
        await keys.create_project(" one ")


async def test_the_first_key_is_made_once_and_may_do_everything(keys: Keys) -> None:
    first = await keys.create_first("default", "admin")
    second = await keys.create_first("default", "admin")

    assert first is not None
    assert (await viewer_of(keys, first)).scopes == set(Scope)
    assert second is None


async def test_the_first_key_is_for_the_project_that_is_there(keys: Keys, project: ProjectRow) -> None:
    secret = await keys.create_first(project.name, "admin")

    assert secret is not None
    assert (await viewer_of(keys, secret)).project_id == project.id


async def test_of_processes_that_start_at_once_one_gets_the_first_key(any_database: Database) -> None:
    secrets = await asyncio.gather(*(Keys(any_database).create_first("default", "admin") for _ in range(5)))

    assert len([secret for secret in secrets if secret]) == 1
