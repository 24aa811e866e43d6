import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.queries import keys as queries
from db.session import Database
from db.tables import ApiKeyRow, ProjectRow
from db.types import now
from engine.errors import ConflictError, InvalidInputError, NotFoundError, UnauthenticatedError
from engine.keys import (
    ALPHABET,
    PREFIX_LENGTH,
    RANDOM_LENGTH,
    SECRET_LENGTH,
    START,
    Keys,
    _checksum,
    is_well_formed,
    new_secret,
)
from engine.values import Scope, Viewer


@pytest.fixture
def keys(database: Database) -> Keys:
    return Keys(database)


@pytest.fixture
async def project(keys: Keys) -> ProjectRow:
    return await keys.create_project("one")


async def stored(database: Database, secret: str) -> ApiKeyRow:
    async with database.read() as connection:
        row = await queries.key_by_prefix(connection, secret[:PREFIX_LENGTH])
    assert row is not None
    return row


def test_a_secret_has_its_start_enough_randomness_and_a_checksum() -> None:
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

    viewer = await keys.authenticate(secret)

    scopes = frozenset({Scope.MODELS_READ, Scope.JOBS_READ})
    assert viewer == Viewer(project.id, row.id, "ci", scopes, None)


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
        await keys.authenticate(secret)


async def test_a_key_that_was_never_made_is_refused(keys: Keys) -> None:
    with pytest.raises(UnauthenticatedError, match="no such API key"):
        await keys.authenticate(new_secret())


async def test_a_right_start_and_checksum_are_not_enough(keys: Keys, project: ProjectRow) -> None:
    _, secret = await keys.create(project.id, "ci", [Scope.MODELS_READ])
    guess = secret[:PREFIX_LENGTH] + "0" * (RANDOM_LENGTH - PREFIX_LENGTH + len(START))

    with pytest.raises(UnauthenticatedError, match="no such API key"):
        await keys.authenticate(guess + _checksum(guess[len(START) :]))


async def test_a_revoked_key_is_refused_at_once(keys: Keys, project: ProjectRow) -> None:
    row, secret = await keys.create(project.id, "ci", [Scope.MODELS_READ])

    await keys.revoke(project.id, row.id)

    with pytest.raises(UnauthenticatedError, match="revoked"):
        await keys.authenticate(secret)


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

    assert (await keys.authenticate(secret)).project_id == project.id


async def test_a_key_works_until_it_expires(keys: Keys, project: ProjectRow) -> None:
    expires_at = now() + timedelta(seconds=1)
    _, secret = await keys.create(project.id, "ci", [Scope.MODELS_READ], expires_at)

    viewer = await keys.authenticate(secret)
    await asyncio.sleep(1)

    assert viewer.expires_at == expires_at
    with pytest.raises(UnauthenticatedError, match="expired"):
        await keys.authenticate(secret)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\0b"])
async def test_a_name_has_1_to_100_characters(keys: Keys, project: ProjectRow, name: str) -> None:
    with pytest.raises(InvalidInputError, match="1 to 100 characters"):
        await keys.create(project.id, name, [Scope.MODELS_READ])
    with pytest.raises(InvalidInputError, match="1 to 100 characters"):
        await keys.create_project(name)


async def test_a_key_needs_a_scope_and_a_future(keys: Keys, project: ProjectRow) -> None:
    with pytest.raises(InvalidInputError, match="scope"):
        await keys.create(project.id, "ci", [])
    with pytest.raises(InvalidInputError, match="past"):
        await keys.create(project.id, "ci", [Scope.MODELS_READ], now() - timedelta(seconds=1))


async def test_nobody_grants_a_scope_that_it_has_not_got(keys: Keys, project: ProjectRow) -> None:
    giver = Viewer(project.id, None, "giver", frozenset({Scope.KEYS_ADMIN, Scope.MODELS_READ}))

    row, _ = await keys.create(project.id, "less", [Scope.MODELS_READ], granted_by=giver)
    with pytest.raises(InvalidInputError, match="JOBS_WRITE"):
        await keys.create(project.id, "more", [Scope.JOBS_WRITE, Scope.MODELS_READ], granted_by=giver)

    assert row.scopes == ["MODELS_READ"]


async def test_projects_have_different_names(keys: Keys, project: ProjectRow) -> None:
    with pytest.raises(ConflictError, match="'one'"):
        await keys.create_project(" one ")


async def test_the_first_key_is_made_once_and_may_do_everything(keys: Keys) -> None:
    first = await keys.create_first("default", "admin")
    second = await keys.create_first("default", "admin")

    assert first is not None
    assert (await keys.authenticate(first)).scopes == set(Scope)
    assert second is None


async def test_the_first_key_is_for_the_project_that_is_there(keys: Keys, project: ProjectRow) -> None:
    secret = await keys.create_first(project.name, "admin")

    assert secret is not None
    assert (await keys.authenticate(secret)).project_id == project.id


async def test_of_processes_that_start_at_once_one_gets_the_first_key(any_database: Database) -> None:
    secrets = await asyncio.gather(*(Keys(any_database).create_first("default", "admin") for _ in range(5)))

    assert len([secret for secret in secrets if secret]) == 1
