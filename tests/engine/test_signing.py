from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from db.session import Database
from engine.signing import Links, link_secret

HOUR = timedelta(hours=1)


def parts(address: str) -> tuple[str, str, str]:
    split = urlsplit(address)
    query = parse_qs(split.query)
    return split.path, query["expires"][0], query["signature"][0]


def test_an_address_is_known_again() -> None:
    links = Links(b"secret", "https://host/")

    address, _ = links.sign("GET", "/jobs/1", HOUR)

    assert address.startswith("https://host/jobs/1?expires=")
    assert links.allows("GET", *parts(address))


def test_nothing_of_an_address_can_be_changed() -> None:
    links = Links(b"secret", "https://host")
    path, expires, signature = parts(links.sign("GET", "/jobs/1", HOUR)[0])

    assert not links.allows("PUT", path, expires, signature)
    assert not links.allows("GET", "/jobs/2", expires, signature)
    assert not links.allows("GET", path, str(int(expires) + 1), signature)
    assert not links.allows("GET", path, expires, signature[:-1] + ("A" if signature[-1] != "A" else "B"))
    assert not Links(b"other", "https://host").allows("GET", path, expires, signature)


def test_an_address_expires() -> None:
    links = Links(b"secret", "https://host")

    assert not links.allows("GET", *parts(links.sign("GET", "/a", timedelta(seconds=-1))[0]))


@pytest.mark.parametrize(
    ("expires", "signature"), [("", ""), ("x", "y"), ("1e9", ""), ("9" * 40, ""), ("1", "é")]
)
def test_nonsense_is_refused(expires: str, signature: str) -> None:
    assert not Links(b"secret", "https://host").allows("GET", "/a", expires, signature)


async def test_processes_without_a_secret_of_the_operator_share_one(database: Database) -> None:
    first = await link_secret(database, None)
    second = await link_secret(database, None)

    assert first == second
    assert len(first) == 32


async def test_the_operators_secret_makes_the_same_everywhere_and_is_not_it(database: Database) -> None:
    made = await link_secret(database, "s" * 32)

    assert made == await link_secret(database, "s" * 32)
    assert made != b"s" * 32
    assert made != await link_secret(database, "t" * 32)
