"""The addresses a webhook may go to."""

import asyncio
import socket
from typing import Any

import pytest

from engine.errors import InvalidInputError
from engine.webhooks.addresses import ForbiddenAddressError, check_url, is_public, resolve

PRIVATE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1"])
def test_a_public_address_is_accepted(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::1]:8000/",
        "http://127.0.0.1./",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://[",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost/",
        "http://api.localhost/",
        "https://metadata.internal/",
        "ftp://example.com/",
        "file:///etc/passwd",
    ],
)
def test_a_callback_url_to_a_private_place_is_refused_when_it_is_given(url: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_url(url, ())

    assert refused.value.path == ("input", "callbackUrl")


def test_a_host_that_the_operator_allows_may_be_private() -> None:
    check_url("http://127.0.0.1:9000/hook", ("127.0.0.1",))


async def test_a_name_with_one_private_address_among_public_ones_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def answer(*_: Any, **__: Any) -> list[Any]:
        public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))
        private = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 443))
        return [public, private]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", answer, raising=False)

    with pytest.raises(ForbiddenAddressError, match=r"10\.0\.0\.7"):
        await resolve("example.com", 443, ())
