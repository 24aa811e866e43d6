"""The one exception of the compiler."""

from __future__ import annotations


class Refused(Exception):
    """The document uses something that the compiler does not know; graphql-core runs it.

    The message is the reason: it names the construct and nothing that a client sent, because it is counted in
    `Stats.fallbacks` and may become the label of a metric.
    """
