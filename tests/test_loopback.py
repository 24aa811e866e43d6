import asyncio
import socket

import httpx
import pytest

from tests.loopback import OutsideError


def test_a_socket_to_another_machine_is_refused() -> None:
    with socket.socket() as connection, pytest.raises(OutsideError, match=r"192\.0\.2\.1"):
        connection.connect(("192.0.2.1", 80))


def test_so_is_one_that_a_library_opens() -> None:
    with pytest.raises(OutsideError):
        httpx.get("http://192.0.2.1/")


async def test_so_is_a_look_up_of_a_name() -> None:
    with pytest.raises(OutsideError, match="no names"):
        await asyncio.open_connection("foretell.example", 80)


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
