"""Plans by document: found by the identity of the document, or by its text and structure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import TypeAlias

from graphql import DocumentNode

from executor.document import DocumentOperation
from executor.plan import Plan

Outcome: TypeAlias = Plan | str
"""A plan, or the reason why there is none."""

_MAX_NAMES = 16


class CachedDocument:
    """A document with its operations by name, and their plans by everything that a plan depends on.

    Both are bounded: the oldest goes first. (A document with ten switches has a thousand possible plans.)
    """

    __slots__ = ("_max_plans", "document", "operations", "plans")

    def __init__(self, document: DocumentNode, max_plans: int) -> None:
        self.document = document
        self.operations: OrderedDict[str | None, DocumentOperation | str] = OrderedDict()
        self.plans: OrderedDict[Hashable, Outcome] = OrderedDict()
        self._max_plans = max_plans

    def keep_operation(self, name: str | None, operation: DocumentOperation | str) -> None:
        """Keeps an operation, or the reason why the compiler does not want it."""
        self.operations[name] = operation
        while len(self.operations) > _MAX_NAMES:
            self.operations.popitem(last=False)

    def keep_plan(self, key: Hashable, outcome: Outcome) -> None:
        """Keeps the outcome of a compilation."""
        self.plans[key] = outcome
        while len(self.plans) > self._max_plans:
            self.plans.popitem(last=False)


class DocumentCache:
    """The most recently used documents. Safe to share between threads.

    A server that caches parsed documents hits by identity, at the price of one dict lookup. A document that
    was parsed anew is hashed and compared with the one kept, positions and text included, because errors
    show lines and columns.
    """

    def __init__(self, max_documents: int, max_plans_per_document: int) -> None:
        self._max_documents = max_documents
        self._max_plans = max_plans_per_document
        self._by_identity: OrderedDict[int, CachedDocument] = OrderedDict()
        self._by_structure: dict[DocumentNode, CachedDocument] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._by_identity)

    def get(self, document: DocumentNode) -> CachedDocument:
        """Returns the entry of a document, a new one if there is none; it is the youngest now."""
        key = id(document)
        cached = self._by_identity.get(key)
        if cached is not None and cached.document is document:
            try:
                self._by_identity.move_to_end(key)
            except KeyError:  # another thread has just dropped it
                return cached
            return cached
        with self._lock:
            return self._keep(document)

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._by_identity.clear()
            self._by_structure.clear()

    def _keep(self, document: DocumentNode) -> CachedDocument:
        cached = self._by_structure.get(document)
        if cached is None or _text(cached.document) != _text(document):
            if cached is not None:
                self._drop(cached)
            cached = self._by_structure[document] = CachedDocument(document, self._max_plans)
        else:
            self._by_identity.pop(id(cached.document), None)
            cached.document = document
        self._by_identity[id(document)] = cached
        while len(self._by_identity) > self._max_documents:
            self._drop(next(iter(self._by_identity.values())))
        return cached

    def _drop(self, cached: CachedDocument) -> None:
        self._by_identity.pop(id(cached.document), None)
        self._by_structure.pop(cached.document, None)


def _text(document: DocumentNode) -> str | None:
    return document.loc.source.body if document.loc else None
