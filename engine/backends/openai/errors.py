"""What a model server's failures are called here, and what of its messages may be passed on."""

from __future__ import annotations

import aiohttp
import openai

from engine.backends.failures import StalledError, UnreadableError, after_colon, retry_after
from engine.errors import ContentFilteredError, ModelError, ProcessingError, ThrottledError

FILTERED = ("content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation")
BROKE = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
RETRYABLE_STATUSES = (408, 409, 425, 429)


class Translator:
    """Turns what the client raises into our errors; no message of its making holds the key."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def __call__(self, error: Exception) -> ProcessingError:
        """Returns our error for one of the client's, of the network's, or of the parser's."""
        if isinstance(error, ProcessingError):
            return error
        if isinstance(error, openai.APIStatusError):
            return self._of_status(error)
        if isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError):
            return _of_connection(error)
        if isinstance(error, openai.APIError):
            return self._of_event(error)
        if isinstance(error, TimeoutError):
            return StalledError()
        return UnreadableError()

    def _of_status(self, error: openai.APIStatusError) -> ProcessingError:
        status = error.status_code
        if status < 400:
            return ModelError(f"The model server redirects ({status}), which is not followed.")
        if status in (401, 403):
            return ModelError(f"The model server does not accept the key ({status}).")
        if _is_filtered(error):
            return ContentFilteredError()
        told = self._told(error.body)
        message = f"The model server answered {status}{told}."
        if status == 429 and error.code in BROKE:
            return ModelError(message)
        retryable = status in RETRYABLE_STATUSES or status >= 500
        if error.response.headers.get("x-should-retry") == "false":
            retryable = False
        after = retry_after(error.response.headers) if retryable else None
        kind = ThrottledError if status == 429 and retryable else ModelError
        return kind(message, retryable=retryable, retry_after_seconds=after)

    def _of_event(self, error: openai.APIError) -> ProcessingError:
        """Returns our error for one that came as an event of the stream."""
        if _is_filtered(error):
            return ContentFilteredError()
        message = f"The model server broke off{self._told(error.body)}."
        return ModelError(message, retryable=error.type != "invalid_request_error")

    def _told(self, body: object) -> str:
        message = body.get("message") or body.get("detail") if isinstance(body, dict) else body
        return after_colon(message, self._key)


def _of_connection(error: aiohttp.ClientError) -> ProcessingError:
    """Returns our error for a connection that failed; only one that was never made was not yet paid for."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ModelError("The model server can not be reached in time.", retryable=True)
    if isinstance(error, aiohttp.ClientConnectorError):
        return ModelError("The model server can not be reached.", retryable=True)
    if isinstance(error, TimeoutError):
        return StalledError()
    return ModelError("The connection to the model server broke off.", retryable=True)


def _is_filtered(error: openai.APIError) -> bool:
    inner = error.body.get("innererror") if isinstance(error.body, dict) else None
    codes = (error.code, inner.get("code") if isinstance(inner, dict) else None)
    return any(code in FILTERED for code in codes)
