"""Client: asks a running server, as any client would; for the command line."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx

from foretell import __version__
from foretell.errors import OperatorError

TIMEOUT_SECONDS = 70  # `predict` waits up to 60


class ClientError(OperatorError):
    """The server could not be asked, or refused. The message is one line for a person."""


class Client:
    """Executes GraphQL operations with an API key."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/") + "/graphql"
        self._key = key

    def execute(
        self, document: str, variables: dict[str, Any], *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> Any:
        """Executes one operation and returns its data.

        Raises:
            ClientError: nobody answers, the answer is no GraphQL, or it holds errors.
        """
        headers = {
            "accept": "application/graphql-response+json",
            "authorization": f"Bearer {self._key}",
            "user-agent": f"foretell/{__version__}",
        }
        try:
            response = httpx.post(
                self._url,
                json={"query": document, "variables": variables},
                headers=headers if self._key else {**headers, "authorization": ""},
                timeout=timeout_seconds,
            )
            answer = _answer(response.json())
        except httpx.TransportError as error:
            raise ClientError(unanswered(self._url, error)) from error
        except (httpx.InvalidURL, ValueError) as error:
            raise ClientError(f"{self._url} is no GraphQL server: {error}") from error
        if answer.get("errors"):
            raise ClientError(_refusal(answer["errors"]))
        return answer["data"]


def _answer(body: Any) -> dict[str, Any]:
    """Returns the answer of a GraphQL server, or raises ValueError: something else answered."""
    if not isinstance(body, dict) or not {"data", "errors"} & set(body):
        raise ValueError("give its address without a path, http://host:port, by --url or FORETELL_URL")
    return body


def unanswered(url: str, error: Exception) -> str:
    """Returns what is said of an address where nobody answers."""
    return f"{url} does not answer ({error}): start a server, or name one by --url or FORETELL_URL."


def rebased(address: str, url: str) -> str:
    """Returns a signed address of a server, as one who reaches it at `url` uses it."""
    parts = urlsplit(address)
    return f"{url.rstrip('/')}{parts.path}?{parts.query}"


def _refusal(errors: list[dict[str, Any]]) -> str:
    messages = [error["message"] for error in errors]
    told = [error.get("extensions", {}) for error in errors]
    codes, ids = {each.get("code") for each in told}, {each.get("requestId") for each in told} - {None}
    hint = " Set FORETELL_API_KEY, or give --key." if "UNAUTHENTICATED" in codes else ""
    named = f" (request {', '.join(sorted(ids))})" if ids else ""
    return "; ".join(messages) + named + hint
