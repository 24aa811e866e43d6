"""An OpenID Connect issuer of the tests' own: its keys behind a local address, and the tokens it signs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.types import epoch_ms, now
from tests.foretell.graphql_service import serving

NAME = "https://issuer.example/"
AUDIENCE = "foretell-api"


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Returns a key, always the same for a number: to make one takes long."""
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public(private: Any, key_id: str, **more: Any) -> dict[str, Any]:
    """Returns a public key as an issuer lists it."""
    kind = (
        jwt.algorithms.ECAlgorithm
        if isinstance(private, ec.EllipticCurvePrivateKey)
        else jwt.algorithms.RSAAlgorithm
    )
    return {**json.loads(kind.to_jwk(private.public_key())), "kid": key_id, "use": "sig", **more}


def token(private: Any = None, algorithm: str = "RS256", key_id: str | None = "one", **claims: Any) -> str:
    """Returns a token that is right, but for the claims that are given; None leaves one out."""
    seconds = epoch_ms(now()) // 1000
    body = {"iss": NAME, "aud": AUDIENCE, "sub": "ann", "iat": seconds, "exp": seconds + 300, **claims}
    body = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(body, private or rsa_key(), algorithm, {"kid": key_id} if key_id else {})


@dataclass
class Keys:
    """What the issuer lists, and how often it was asked."""

    listed: list[dict[str, Any]] = field(default_factory=lambda: [public(rsa_key(), "one")])
    answer: Response | None = None
    asked: int = 0
    url: str = ""

    async def tell(self, _: Request) -> Response:
        self.asked += 1
        return self.answer or Response(json.dumps({"keys": self.listed}), media_type="application/json")


@asynccontextmanager
async def listing() -> AsyncIterator[Keys]:
    """Serves the keys of an issuer."""
    keys = Keys()
    async with serving(
        Starlette(routes=[Route("/keys", keys.tell), Route("/elsewhere", keys.tell)])
    ) as address:
        keys.url = f"http://{address}/keys"
        yield keys
