"""What a project may register as a version: checked whole, before anything of it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic.alias_generators import to_camel

from engine.backends.base import VersionSpec
from engine.backends.configs import ConfigPart
from engine.backends.oip.config import OpenInferenceConfig
from engine.backends.openai.config import OpenAIConfig
from engine.backends.tabular import TabularCodec
from engine.definitions import VersionDefinition
from engine.errors import InvalidInputError, ModelError
from engine.inputs import InputChecker
from engine.model_servers import ModelServers
from engine.told import in_form
from engine.values import BackendKind, ModelTask

INPUT = ("input",)
MAX_SCHEMA_BYTES = 64 * 1024
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")

MEMBERS = {
    BackendKind.ONNX: "onnx",
    BackendKind.OPENAI: "openai",
    BackendKind.OPEN_INFERENCE: "openInference",
}
"""Where each kind stands in the `backend` input."""
TASKS = {
    BackendKind.ONNX: ("tabular", "tensor"),
    BackendKind.OPENAI: ("text", "embedding"),
    BackendKind.OPEN_INFERENCE: ("tabular", "tensor"),
}
"""Which tasks each kind can do for a project; a text model's own files come by the registry file only."""


def checked_version(told: Mapping[str, Any], task: ModelTask, servers: ModelServers) -> VersionDefinition:
    """Returns the definition of a version that was told by a client.

    Raises:
        InvalidInputError, ManyErrors: it can not be served so, or may not be.
    """
    backend = dict(told["backend"])
    kind = BackendKind(backend["kind"])
    member = MEMBERS[kind]
    if task.member not in TASKS[kind]:
        message = f"A backend of the kind {kind} can not do {task}."
        raise InvalidInputError(message, path=(*INPUT, "backend", member), constraint=f"task != {task}")
    check_backend(kind, backend, servers)
    for name in ("input_schema", "baseline"):
        _check_object(told.get(name), name)
    definition = in_form(VersionDefinition, told, INPUT)
    _check_schema(definition, task)
    return definition


def check_backend(kind: BackendKind, config: Mapping[str, Any], servers: ModelServers) -> None:
    """Returns if a project may have its version served so.

    Raises:
        InvalidInputError, ManyErrors: the config is wrong, or the operator has not allowed the server.
    """
    path = (*INPUT, "backend", MEMBERS[kind])
    if kind is BackendKind.OPENAI:
        openai = in_form(OpenAIConfig, _of_form(OpenAIConfig, config), path)
        servers.check("openai", "baseUrl", openai.base_url, openai.api_key_env)
    elif kind is BackendKind.OPEN_INFERENCE:
        inference = in_form(OpenInferenceConfig, _of_form(OpenInferenceConfig, config), path)
        servers.check("openInference", "url", inference.url, inference.api_key_env)


def _of_form(form: type[ConfigPart], config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a config, by the names of the file or those of a stored one, says to a kind of backend."""
    names = {name for field in form.model_fields for name in (field, to_camel(field))}
    return {name: value for name, value in config.items() if name in names}


def _check_object(value: Any, name: str) -> None:
    if value is None or isinstance(value, dict):
        return
    place = {"input_schema": "inputSchema"}.get(name, name)
    raise InvalidInputError("This is not a JSON object.", path=(*INPUT, place), constraint="type: object")


def _check_schema(definition: VersionDefinition, task: ModelTask) -> None:
    """Looks whether inputs can be checked by a schema, in a time that does not explode."""
    path = (*INPUT, "inputSchema")
    schema = definition.input_schema
    if schema is not None and len(orjson.dumps(schema)) > MAX_SCHEMA_BYTES:
        message = f"An inputSchema takes at most {MAX_SCHEMA_BYTES} bytes."
        raise InvalidInputError(message, path=path, constraint=f"maxLength: {MAX_SCHEMA_BYTES}")
    if _has_reference(schema):
        # A few of them can make a schema that takes longer to check than anybody lives.
        raise InvalidInputError("An inputSchema has no references.", path=path, constraint="not $ref")
    spec = VersionSpec(
        id="",
        name="The version",
        task=task,
        config={"labels": definition.labels},
        input_schema=schema if isinstance(schema, dict) else None,
    )
    try:
        InputChecker(spec)
        if task.member == "tabular":
            TabularCodec.of(spec)
    except ModelError as error:
        at = path if "labels" not in error.message else (*INPUT, "labels")
        raise InvalidInputError(error.message, path=at) from error


def _has_reference(value: Any) -> bool:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            if any(name in each for name in REFERENCES):
                return True
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
    return False
