"""The parameters of a GraphQL request, checked the same way on every transport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from graphql import GraphQLError

from engine.broken_json import told_broken
from engine.errors import ForetellError


class Refused(Exception):
    """A request that is not carried out: a message for the client, a code, and the HTTP status it has."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "BAD_REQUEST",
        status: int = 422,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.headers = headers or {}

    @property
    def error(self) -> GraphQLError:
        """The refusal as an entry of `errors`, to be passed through the gate.

        One that was raised from an error of ours is told as that: whether to try again, and when.
        """
        cause = self.__cause__ if isinstance(self.__cause__, ForetellError) else None
        return GraphQLError(str(self), original_error=cause, extensions={"code": self.code})


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """One operation to run, as the client sent it."""

    query: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    extensions: dict[str, Any] = field(default_factory=dict)
    document_id: str | None = None

    @classmethod
    def parse(cls, body: Any) -> OperationRequest:
        """Return the request from a decoded JSON body or the payload of a `subscribe` message.

        Parameters we do not know are ignored, as the specification wants. Raises Refused (422) when one has
        the wrong type, or when there is nothing to run.
        """
        if not isinstance(body, dict):
            raise Refused("The request must be a JSON object; batches are not supported.")
        request = cls(
            query=_optional(body, "query", str),
            operation_name=_optional(body, "operationName", str) or None,
            variables=_optional(body, "variables", dict) or {},
            extensions=_optional(body, "extensions", dict) or {},
            document_id=_optional(body, "documentId", str),
        )
        if not request.query and request.document_id is None and "persistedQuery" not in request.extensions:
            raise Refused("The request needs a `query` or a `documentId`.")
        return request

    @classmethod
    def parse_url(cls, parameters: Mapping[str, str]) -> OperationRequest:
        """Return the request from the parameters of a URL, where two of them are JSON.

        Raises Refused: 400 when that JSON can not be read, 422 as `parse` does.
        """
        body: dict[str, Any] = dict(parameters)
        for name in ("variables", "extensions"):
            if name in body:
                body[name] = decode_json(body[name], f"`{name}`") if body[name] else None
        return cls.parse(body)


def _optional(body: dict[str, Any], name: str, kind: type[Any]) -> Any:
    value = body.get(name)
    if value is not None and not isinstance(value, kind):
        wanted = "a string" if kind is str else "an object"
        raise Refused(f"`{name}` must be {wanted}.")
    return value


def decode_json(text: str | bytes, what: str) -> Any:
    """Return the value of strict JSON: no NaN, no lone surrogates. Raises Refused (400)."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Refused(told_broken(error, what), status=400) from None
