from dataclasses import asdict

import httpx
import pytest

from foretell.app import create_app, document_limits, transport_options
from foretell.graphql import TransportOptions
from foretell.settings import ConnectionSettings, DocumentSettings, Settings
from schema.limits import DocumentLimits


def test_limits_that_are_not_set_are_those_of_the_schema() -> None:
    assert document_limits(Settings()) == DocumentLimits()


def test_every_limit_of_a_document_is_taken_from_the_settings() -> None:
    settable = [name for name in DocumentSettings.model_fields if name.startswith("max_")]
    given = DocumentSettings.model_validate({name: 101 + place for place, name in enumerate(settable)})

    limits = asdict(document_limits(Settings(document=given, introspection=False)))

    assert settable
    for name in settable:
        assert limits[name.removeprefix("max_")] == getattr(given, name)
    assert limits["introspection"] is False


def test_the_transports_take_up_what_the_settings_say() -> None:
    given = ConnectionSettings(per_address=1, per_key=2, operations=3)

    options = transport_options(Settings(connection=given, max_body_bytes=1024))

    assert transport_options(Settings()) == TransportOptions()
    assert (options.sockets_per_address, options.sockets_per_key, options.operations_per_socket) == (1, 2, 3)
    assert options.max_body == 1024


@pytest.mark.parametrize("served", [True, False])
async def test_pages_for_people_can_be_left_out(served: bool) -> None:
    transport = httpx.ASGITransport(create_app(Settings(graphiql=served, console=served)))

    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        graphiql = await client.get("/graphql", headers={"Accept": "text/html"})
        console = await client.get("/")

    assert (graphiql.status_code == 200, console.status_code == 200) == (served, served)


def test_two_applications_share_no_state() -> None:
    one, other = create_app(Settings()), create_app(Settings(port=1))

    one.state.shutdown.set()

    assert not other.state.shutdown.is_set()
    assert one.state.settings != other.state.settings
