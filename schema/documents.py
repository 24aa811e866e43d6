"""Documents read once: parsed and measured at their first use, then kept.

Requests repeat few documents. What depends on the text alone is kept in one bounded cache, and with it what
the schema says of it (see `schema.prepared`); what depends on the variables too is reckoned per request.
"""

from __future__ import annotations

from collections import OrderedDict

from graphql import DocumentNode, OperationDefinitionNode, parse

from schema.limits import measure
from schema.prepared import Prepared

CACHED_TOKENS = 100_000
"""How many tokens of documents are kept parsed; a token's part of the tree takes up to 0.5 KB."""


class PreparedDocuments:
    """The documents used last, bounded by their tokens."""

    def __init__(self, capacity: int = CACHED_TOKENS) -> None:
        self._capacity = capacity
        self._documents: OrderedDict[tuple[str, int], Prepared] = OrderedDict()
        self.tokens = 0
        """How many tokens are kept."""

    def prepare(self, text: str, max_tokens: int) -> Prepared:
        """Return the parsed and measured document.

        Raises GraphQLSyntaxError, also when the document has more tokens than allowed or is nested more than
        200 levels deep; a document that is refused is not kept.
        """
        key = (text, max_tokens)
        found = self._documents.get(key)
        if found is not None:
            self._documents.move_to_end(key)
            return found
        prepared = _prepare(text, max_tokens)
        if prepared.tokens <= self._capacity:
            self._keep(key, prepared)
        return prepared

    def _keep(self, key: tuple[str, int], prepared: Prepared) -> None:
        self._documents[key] = prepared
        self.tokens += prepared.tokens
        while self.tokens > self._capacity:
            _, oldest = self._documents.popitem(last=False)
            self.tokens -= oldest.tokens


def _prepare(text: str, max_tokens: int) -> Prepared:
    document = parse(text, max_tokens=max_tokens)
    measured = measure(document)
    return Prepared(
        document=document,
        tokens=_tokens(document),
        sizes=measured.operations,
        circular=measured.circular,
        operations={
            definition.name.value if definition.name else "": definition
            for definition in document.definitions
            if isinstance(definition, OperationDefinitionNode)
        },
    )


def _tokens(document: DocumentNode) -> int:
    count, token = 0, document.loc and document.loc.start_token
    while token:
        count, token = count + 1, token.next
    return count


DOCUMENTS = PreparedDocuments()
"""The process's cache: documents are the same for everybody, so their preparation is shared."""
