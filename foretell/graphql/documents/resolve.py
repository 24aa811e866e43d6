"""From what a request carries to the text of its document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from foretell.graphql.documents.base import DocumentStore
from foretell.graphql.documents.manifest import sha256_of
from foretell.graphql.requests import OperationRequest, Refused

_SHA256 = re.compile(r"[0-9a-f]{64}")


class PersistedDocuments:
    """Finds documents by `extensions.persistedQuery.sha256Hash` (Apollo) or `documentId` (GraphQL over HTTP).

    `trusted` are the documents of manifests; with `trusted_only` no others are run, however they are sent.
    """

    def __init__(
        self, store: DocumentStore, *, trusted: Mapping[str, str] | None = None, trusted_only: bool = False
    ) -> None:
        self.store = store
        self.trusted = trusted or {}
        self.trusted_only = trusted_only

    async def text(self, request: OperationRequest) -> str:
        """Return the text of the request's document, and keep it when it comes with its hash.

        Raises Refused: 404 PERSISTED_QUERY_NOT_FOUND when the client has to send the text, 422 when the hash
        is not that of the text, 403 when the document is not trusted and has to be.
        """
        key = _key(request)
        if request.query:
            return await self._given(request.query, key)
        assert key is not None  # OperationRequest.parse made sure of it
        found = self.trusted.get(key)
        if found is None and not self.trusted_only:
            found = await self.store.get(key)
        if found is None:
            raise Refused("PersistedQueryNotFound", code="PERSISTED_QUERY_NOT_FOUND", status=404)
        return found

    async def _given(self, query: str, key: str | None) -> str:
        if self.trusted_only:
            if sha256_of(query) not in self.trusted:
                raise Refused("Only registered documents are run here.", code="FORBIDDEN", status=403)
            return query
        if key is not None:
            if sha256_of(query) != key:
                raise Refused("The hash is not the SHA-256 of the document.")
            await self.store.put(key, query)
        return query


def _key(request: OperationRequest) -> str | None:
    if request.document_id is not None:
        return request.document_id.removeprefix("sha256:")
    persisted = request.extensions.get("persistedQuery")
    return None if persisted is None else _apollo_hash(persisted)


def _apollo_hash(persisted: Any) -> str:
    found = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    if not isinstance(found, str) or persisted.get("version", 1) != 1 or not _SHA256.fullmatch(found):
        raise Refused("`persistedQuery` must hold `version` 1 and `sha256Hash`, 64 lower-case hex digits.")
    return found
