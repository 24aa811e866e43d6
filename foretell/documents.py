"""Persisted documents as the settings want them."""

from __future__ import annotations

from foretell.configuration import SettingsError
from foretell.graphql import MemoryDocumentStore, PersistedDocuments, RedisDocumentStore, read_manifest
from foretell.graphql.documents import ManifestError
from foretell.settings import Settings


def persisted_documents(settings: Settings) -> PersistedDocuments:
    """Returns where documents are found: in the manifests, and in Redis or else in this process.

    Raises:
        SettingsError: a manifest can not be read.
    """
    trusted: dict[str, str] = {}
    for path in settings.document.manifests:
        try:
            trusted |= read_manifest(path)
        except ManifestError as error:
            raise SettingsError(f"document.manifests: {error}") from error
    store = RedisDocumentStore(settings.redis_url) if settings.redis_url else MemoryDocumentStore()
    return PersistedDocuments(store, trusted=trusted, trusted_only=settings.document.trusted_only)
