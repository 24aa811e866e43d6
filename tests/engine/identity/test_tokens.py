"""Access tokens: what is taken for one of ours, and what never is (RFC 8725)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from db.types import now
from engine.errors import UnauthenticatedError
from engine.identity.tokens import LEEWAY, MAX_LENGTH, REQUIRED, Tokens, headers_of

SECRET = "a secret of more than thirty-two characters"
ISSUER = "https://foretell.example"


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(SECRET, ISSUER, timedelta(minutes=15))


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def forged(tokens: Tokens, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """Returns a token with a right signature, and with these headers and claims; None leaves one out."""
    made, _ = tokens.make("user", "session")
    head: dict[str, Any] = {**jwt.get_unverified_header(made), **(headers or {})}
    body = {**jwt.decode(made, options={"verify_signature": False}), **claims}
    body = {name: value for name, value in body.items() if value is not None}
    signed = f"{part(head)}.{part(body)}"
    digest = hmac.new(tokens._key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(UnauthenticatedError, match="not valid, or not any more"):
        tokens.read(token)


def test_a_token_says_whose_it_is_of_which_session_and_until_when(tokens: Tokens) -> None:
    made, expires_at = tokens.make("user", "session")

    claims = tokens.read(made)

    assert (claims.user_id, claims.session_id) == ("user", "session")
    assert claims.expires_at == expires_at.replace(microsecond=0)
    assert tokens.read(forged(tokens)) == claims


def test_a_token_without_a_signature_is_refused(tokens: Tokens) -> None:
    made, _ = tokens.make("user", "session")
    body = made.split(".")[1]

    for algorithm in ("none", "None", "NONE", ""):
        head = {"alg": algorithm, "typ": "at+jwt", "kid": jwt.get_unverified_header(made)["kid"]}
        refused(tokens, f"{part(head)}.{body}.")
    refused(tokens, f"{made.rpartition('.')[0]}.")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512", "RS256", "ES256", "EdDSA"])
def test_the_algorithm_is_ours_whatever_the_token_says(tokens: Tokens, algorithm: str) -> None:
    refused(tokens, forged(tokens, {"alg": algorithm}))


def test_a_public_key_is_no_secret_to_sign_with(tokens: Tokens) -> None:
    public = rsa.generate_private_key(65537, 2048).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    made, _ = tokens.make("user", "session")
    signed = f"{part({'alg': 'HS256', 'typ': 'at+jwt'})}.{made.split('.')[1]}"
    digest = hmac.new(pem, signed.encode(), hashlib.sha256).digest()

    refused(tokens, f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}")


def test_a_token_of_another_secret_is_refused(tokens: Tokens) -> None:
    other, _ = Tokens(SECRET[::-1], ISSUER, timedelta(minutes=15)).make("user", "session")

    refused(tokens, other)


@pytest.mark.parametrize("kind", ["JWT", "jwt", "refresh+jwt", None])
def test_a_token_of_another_kind_is_refused(tokens: Tokens, kind: str | None) -> None:
    refused(tokens, forged(tokens, {"typ": kind}))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": [ISSUER]},
        {"aud": "another service"},
        {"aud": ["foretell"]},
        {"aud": ["foretell", "another service"]},
        {"exp": "tomorrow"},
        {"nbf": 10**11},
        {"sub": 7},
        *({name: None} for name in REQUIRED),
    ],
    ids=str,
)
def test_a_wrong_or_a_missing_claim_is_refused(tokens: Tokens, claims: dict[str, Any]) -> None:
    refused(tokens, forged(tokens, **claims))


@pytest.mark.parametrize(("beyond", "is_good"), [(-5, True), (5, False)])
def test_clocks_may_differ_by_half_a_minute_and_no_more(tokens: Tokens, beyond: int, is_good: bool) -> None:
    skew = LEEWAY + timedelta(seconds=beyond)
    expired = forged(tokens, exp=int((now() - skew).timestamp()))
    early = forged(tokens, iat=int((now() + skew).timestamp()))

    assert timedelta(seconds=60) >= LEEWAY
    for token in (expired, early):
        if is_good:
            assert tokens.read(token).user_id == "user"
        else:
            refused(tokens, token)


@pytest.mark.parametrize("critical", [["exp"], ["unknown"], [], "exp", None])
def test_a_critical_header_that_nobody_knows_is_refused(tokens: Tokens, critical: Any) -> None:
    refused(tokens, forged(tokens, {"crit": critical}))


@pytest.mark.parametrize("header", ["jku", "x5u", "jwk", "x5c"])
def test_a_key_that_a_token_brings_or_points_to_is_not_looked_at(tokens: Tokens, header: str) -> None:
    other, _ = Tokens(SECRET[::-1], ISSUER, timedelta(minutes=15)).make("user", "session")
    _, body, signature = other.split(".")
    head = {"alg": "HS256", "typ": "at+jwt", header: "https://127.0.0.1:1/keys"}

    refused(tokens, f"{part(head)}.{body}.{signature}")


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b.c.d",
        "é.é.é",
        "fk_" + "0" * 36,
        f"{part({})}..",
        "[].[].[]",
        part([1]) + ".a.b",
    ],
)
def test_what_can_be_no_token_is_none_and_raises_nothing_else(tokens: Tokens, token: str) -> None:
    assert headers_of(token) in (None, {})
    refused(tokens, token)


def test_a_huge_token_is_not_even_decoded(tokens: Tokens) -> None:
    huge = forged(tokens, more="x" * MAX_LENGTH)

    assert headers_of(huge) is None
