"""Manifests: the files in which a client's build lists its documents.

Three formats are understood by their shape:

Relay, graphql-codegen   {"<id>": "<document>", …}
Apollo                   {"format": "apollo-persisted-query-manifest", "version": 1,
                          "operations": [{"id": "<id>", "body": "<document>", "name": …, "type": …}, …]}

Relay's ids are MD5 by default, the others SHA-256; they are taken as they are. Every document is also found
by its own SHA-256, so that a client may send the text it was built with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

APOLLO_FORMAT = "apollo-persisted-query-manifest"


class ManifestError(Exception):
    """A manifest can not be used; the message names the file and says why."""


def read_manifest(path: Path) -> Mapping[str, str]:
    """Return the documents of one manifest by their ids. Raises ManifestError."""
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise ManifestError(f"{path}: is not JSON: {error}") from error
    documents: dict[str, str] = {}
    for key, document in _entries(path, content):
        documents[key] = document
        documents[sha256_of(document)] = document
    return documents


def _entries(path: Path, content: Any) -> Iterable[tuple[str, str]]:
    if isinstance(content, dict) and content.get("format") == APOLLO_FORMAT:
        operations = content.get("operations")
        if content.get("version") != 1 or not isinstance(operations, list):
            raise ManifestError(f"{path}: only version 1 of Apollo's manifest is known")
        return [_entry(path, operation.get("id"), operation.get("body")) for operation in operations]
    if isinstance(content, dict):
        return [_entry(path, key, document) for key, document in content.items()]
    raise ManifestError(f"{path}: is neither a map of ids to documents nor Apollo's manifest")


def _entry(path: Path, key: Any, document: Any) -> tuple[str, str]:
    if not isinstance(key, str) or not isinstance(document, str):
        raise ManifestError(f"{path}: every entry needs an id and the text of a document")
    return key, document


def sha256_of(document: str) -> str:
    """Return the hash by which a document is known: lower-case hex of SHA-256 over its UTF-8."""
    return sha256(document.encode()).hexdigest()
