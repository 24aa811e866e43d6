"""Persisted documents: a client sends the hash of a document it has sent before, or that was registered.

`base.py` holds the interface of the store, `memory.py` and `redis.py` the two that ship, `manifest.py` reads
the files with which a deployment registers its own documents, and `resolve.py` finds the text of a request.
"""

from foretell.graphql.documents.base import DocumentStore
from foretell.graphql.documents.manifest import ManifestError, read_manifest
from foretell.graphql.documents.memory import MemoryDocumentStore
from foretell.graphql.documents.redis import RedisDocumentStore
from foretell.graphql.documents.resolve import PersistedDocuments

__all__ = [
    "DocumentStore",
    "ManifestError",
    "MemoryDocumentStore",
    "PersistedDocuments",
    "RedisDocumentStore",
    "read_manifest",
]
