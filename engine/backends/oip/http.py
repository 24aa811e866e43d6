"""HttpTransport: the protocol over HTTP, by httpx."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from engine.backends.failures import StalledError, UnreadableError, after_colon, retry_after
from engine.backends.oip.config import OpenInferenceConfig
from engine.backends.oip.json_tensors import HEADER, read_answer, request_body
from engine.backends.oip.tensors import Tensor
from engine.backends.oip.transport import MAX_ANSWER_BYTES, Described, specs
from engine.errors import ModelError, ProcessingError, ThrottledError

CHECK_SECONDS = 10.0
# What says that another try may help. 500 is what a model answers to an input that it can not take.
RETRYABLE_STATUSES = (408, 425, 429, 502, 503, 504)
BINARY = "binary_tensor_data"


class HttpTransport:
    """Asks a server over HTTP. Every failure is one of our errors, and none of them shows the key."""

    def __init__(self, config: OpenInferenceConfig, key: str | None) -> None:
        self._config = config
        self._key = key
        self._binary = bool(config.binary)
        name = quote(config.model, safe="")
        versioned = f"/versions/{quote(config.model_version, safe='')}" if config.model_version else ""
        self._model = f"/v2/models/{name}{versioned}"
        headers = {"User-Agent": f"foretell/{version('foretell')}", "Accept": "application/json, */*;q=0.5"}
        limit = config.max_connections
        self._client = httpx.AsyncClient(
            base_url=config.url,
            headers=headers | ({"Authorization": f"Bearer {key}"} if key else {}),
            # How long an answer may take is for us to say, call by call.
            timeout=httpx.Timeout(None, connect=config.timeouts.connect),
            limits=httpx.Limits(max_connections=limit, max_keepalive_connections=limit),
            # A redirect would take the key, and the input, to a host that nobody has named.
            follow_redirects=False,
            trust_env=False,
        )

    async def check(self) -> None:
        """See `Transport`."""
        await self._get(f"{self._model}/ready")

    async def describe(self) -> Described:
        """See `Transport`; also finds out whether the server takes tensors as bytes."""
        if self._config.binary is None:
            extensions = (await self._get("/v2")).get("extensions")
            self._binary = isinstance(extensions, list) and BINARY in extensions
        told = await self._get(self._model)
        versions = told.get("versions") or ()
        return Described(
            tuple(map(str, versions)) if isinstance(versions, list | tuple) else (),
            _tensors(told.get("inputs")),
            _tensors(told.get("outputs")),
        )

    async def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> list[Tensor]:
        """See `Transport`."""
        body, headers = request_body(inputs, outputs, binary=self._binary)
        try:
            return await self._post(f"{self._model}/infer", body, headers)
        except Exception as error:
            raise self._translated(error) from error

    async def close(self) -> None:
        """See `Transport`."""
        await self._client.aclose()

    async def _post(self, path: str, body: bytes, headers: dict[str, str]) -> list[Tensor]:
        async with self._client.stream("POST", path, content=body, headers=headers) as response:
            content = await _read(response)
        self._require_success(response, content)
        length = response.headers.get(HEADER)
        try:
            head_bytes = None if length is None else int(length)
        except ValueError as error:
            raise UnreadableError from error
        return read_answer(content, head_bytes)

    async def _get(self, path: str) -> dict[str, Any]:
        """Returns the JSON object that the server answers, or an empty one if it answers something else."""
        try:
            async with asyncio.timeout(CHECK_SECONDS), self._client.stream("GET", path) as response:
                content = await _read(response)
            self._require_success(response, content)
        except Exception as error:
            raise self._translated(error) from error
        try:
            found = orjson.loads(content)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _require_success(self, response: httpx.Response, content: bytes) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        if status < 400:
            raise ModelError(f"The model server redirects ({status}), which is not followed.")
        if status in (401, 403):
            raise ModelError(f"The model server does not accept the key ({status}).")
        message = f"The model server answered {status}{after_colon(_message(content), self._key)}."
        retryable = status in RETRYABLE_STATUSES
        after = retry_after(response.headers) if retryable else None
        kind = ThrottledError if status == 429 else ModelError
        raise kind(message, retryable=retryable, retry_after_seconds=after)

    def _translated(self, error: Exception) -> ProcessingError:
        if isinstance(error, ProcessingError):
            return error
        if isinstance(error, httpx.ConnectTimeout):
            return ModelError("The model server can not be reached in time.", retryable=True)
        if isinstance(error, TimeoutError | httpx.TimeoutException):
            return StalledError()
        if isinstance(error, httpx.ConnectError):
            return ModelError("The model server can not be reached.", retryable=True)
        if isinstance(error, httpx.TransportError):
            return ModelError("The connection to the model server broke off.", retryable=True)
        return UnreadableError()


async def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > MAX_ANSWER_BYTES:
            raise ModelError(f"The model server answered more than {MAX_ANSWER_BYTES} bytes.")
    return bytes(content)


def _message(content: bytes) -> object:
    try:
        found = orjson.loads(content)
    except ValueError:
        return None
    return (found.get("error") or found.get("detail")) if isinstance(found, dict) else None


def _tensors(told: Any) -> Any:
    try:
        return specs([(each["name"], each["datatype"], list(map(int, each["shape"]))) for each in told or ()])
    except (TypeError, KeyError, ValueError):
        return ()
