"""The settings of an OpenID Connect issuer whose users are let in, and how they become ours."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_settings import NoDecode

from engine.identity.issuers import Issuer, Mapping, Trust
from engine.identity.jwks import KeySet
from engine.values import Scope

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _https_url(value: str) -> str:
    parts = urlsplit(value)
    is_ours = parts.scheme == "http" and _is_loopback(parts.hostname or "")
    if (parts.scheme != "https" and not is_ours) or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("must be https://…; http only on a loopback address")
    return value


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class OidcSettings(BaseModel):
    """Whose tokens are taken beside our own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str | None = Field(
        default=None, min_length=1, description="`iss` of the tokens that an OpenID Connect issuer signs."
    )
    audience: str | None = Field(default=None, min_length=1, description="`aud` that its tokens are for.")
    jwks_url: Annotated[str, AfterValidator(_https_url)] | None = Field(
        default=None, description="Where its public keys are: `https://…`; nowhere else is asked."
    )
    algorithms: Annotated[tuple[Algorithm, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=("RS256", "ES256"), min_length=1, description="Algorithms that it signs with."
    )
    project: str | None = Field(default=None, description="The project of all its users, by name.")
    project_claim: str | None = Field(
        default=None, description="The claim that names a user's project, before `oidc.project`."
    )
    scopes: Annotated[tuple[Scope, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(), description="What all its users may do, parted by commas."
    )
    scopes_claim: str | None = Field(
        default=None, description="The claim that lists more of what a user may do: `MODELS_READ`, …"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.issuer is None:
            return self
        missing = [name for name in ("audience", "jwks_url") if getattr(self, name) is None]
        missing += [] if self.project or self.project_claim else ["project or project_claim"]
        missing += [] if self.scopes or self.scopes_claim else ["scopes or scopes_claim"]
        if missing:
            raise ValueError(f"an issuer needs {', '.join(missing)} too")
        return self


def issuer_of(settings: OidcSettings) -> Trust | None:
    """Returns whom the settings trust, None for nobody."""
    if settings.issuer is None or settings.audience is None or settings.jwks_url is None:
        return None
    mapping = Mapping(settings.project, settings.project_claim, settings.scopes, settings.scopes_claim)
    issuer = Issuer(settings.issuer, settings.audience, settings.algorithms, mapping)
    return Trust(issuer, KeySet(settings.jwks_url))
