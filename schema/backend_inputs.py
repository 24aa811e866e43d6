"""What serves a version: the members of the `backend` input, as the registry file says them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import strawberry

from schema.enums import BackendKind, TensorDatatype
from schema.nodes import row_id
from schema.scalars import URL
from schema.types import enum_type, given, input_type, one_of_type


def told(**values: Any) -> dict[str, Any]:
    """Returns what a client gave; what it left out, or gave null for, is left out."""
    return {name: value for name, value in values.items() if given(value) is not None}


@enum_type
class TextApi(StrEnum):
    """Which of OpenAI's two ways to generate text a server is asked in."""

    CHAT = "CHAT"
    COMPLETIONS = "COMPLETIONS"


@enum_type
class MaxTokensField(StrEnum):
    """What a server calls the most tokens that it may write."""

    MAX_TOKENS = "MAX_TOKENS"
    MAX_COMPLETION_TOKENS = "MAX_COMPLETION_TOKENS"


@input_type
class OpenAIBackendInput:
    """A model of a server that speaks OpenAI's API, which the operator has to allow."""

    base_url: URL = strawberry.field(
        description="Where the API begins, with its version: `https://api.openai.com/v1`."
    )
    model: str = strawberry.field(description="The server's name for the model; 1 to 200 characters.")
    api_key_env: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The name of the operator's variable that holds the key; none where it takes no key.",
    )
    api: TextApi = strawberry.field(default=TextApi.CHAT, description="How it is asked for text.")
    max_tokens_field: MaxTokensField = strawberry.field(
        default=MaxTokensField.MAX_TOKENS,
        description="How it calls the number of tokens; new models of OpenAI's take MAX_COMPLETION_TOKENS.",
    )
    stream_usage: bool = strawberry.field(
        default=True, description="Whether to ask for the usage with the stream."
    )
    logprobs: bool = strawberry.field(
        default=False,
        description="Whether to ask for the log probability of each token, `TokenEvent.logprob`.",
    )
    timeout_ms: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="How long one prediction may take in all: 1 to 86400000; 600000 if left out.",
    )

    def value(self) -> dict[str, Any]:
        """Returns the backend as the registry file has it."""
        timeout = given(self.timeout_ms)
        return told(
            kind=BackendKind.OPENAI,
            base_url=str(self.base_url),
            model=self.model,
            api_key_env=self.api_key_env,
            api=self.api.lower(),
            max_tokens_field=self.max_tokens_field.lower(),
            stream_usage=self.stream_usage,
            logprobs=self.logprobs or None,
            timeouts=None if timeout is None else {"total": timeout / 1000},
        )


@enum_type
class InferenceProtocol(StrEnum):
    """How a server of the Open Inference Protocol is asked; over GRPC a cancel reaches it too."""

    HTTP = "HTTP"
    GRPC = "GRPC"


@input_type
class TensorSpecInput:
    """A tensor that a model takes or gives."""

    name: str = strawberry.field(description="Its name; 1 to 200 characters.")
    datatype: TensorDatatype = strawberry.field(description="The type of its elements.")
    shape: list[int] = strawberry.field(description="Its dimensions, at most 16; -1 is any size.")

    def value(self) -> dict[str, Any]:
        """Returns the tensor as the registry file has it."""
        return {"name": self.name, "datatype": self.datatype, "shape": self.shape}


@input_type
class OpenInferenceBackendInput:
    """A model of a server that speaks the Open Inference Protocol v2, which the operator has to allow."""

    url: URL = strawberry.field(
        description="Where the server is, before `/v2`; for GRPC its host and port: `http://triton:8001`."
    )
    model: str = strawberry.field(description="The server's name for the model; 1 to 200 characters.")
    model_version: str | None = strawberry.field(
        default=strawberry.UNSET, description="The server's version of it; its own choice if left out."
    )
    protocol: InferenceProtocol = strawberry.field(
        default=InferenceProtocol.HTTP, description="How it is asked."
    )
    api_key_env: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The name of the operator's variable that holds the token; none where it takes none.",
    )
    binary: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="Whether tensors travel as bytes over HTTP; where the server says so, if left out.",
    )
    scores: str | None = strawberry.field(
        default=strawberry.UNSET, description="The output that tabular tasks read; the first if left out."
    )
    inputs: list[TensorSpecInput] | None = strawberry.field(
        default=strawberry.UNSET, description="What the model takes, where the server does not tell it."
    )
    outputs: list[TensorSpecInput] | None = strawberry.field(
        default=strawberry.UNSET, description="What the model gives, likewise."
    )
    timeout_ms: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="How long one prediction may take in all: 1 to 86400000; 60000 if left out.",
    )

    def value(self) -> dict[str, Any]:
        """Returns the backend as the registry file has it."""
        timeout = given(self.timeout_ms)
        return told(
            kind=BackendKind.OPEN_INFERENCE,
            url=str(self.url),
            model=self.model,
            model_version=self.model_version,
            protocol=self.protocol.value,
            api_key_env=self.api_key_env,
            binary=self.binary,
            scores=self.scores,
            inputs=[each.value() for each in given(self.inputs) or ()] or None,
            outputs=[each.value() for each in given(self.outputs) or ()] or None,
            timeouts=None if timeout is None else {"total": timeout / 1000},
        )


@input_type
class OnnxBackendInput:
    """An ONNX file, run by the server itself. It is checked in a process of its own before it is served."""

    upload_id: strawberry.ID = strawberry.field(
        description="What createUpload gave, when the file is there; it then belongs to the version. One "
        "file, without data in others and without operators of its own; of up to 256 MiB, unless the "
        "operator says otherwise."
    )


@one_of_type
class BackendInput:
    """What serves a version: exactly one of these."""

    onnx: strawberry.Maybe[OnnxBackendInput] = strawberry.field(
        description="For TENSOR and the tabular tasks; inputs and outputs are read from the file."
    )

    openai: strawberry.Maybe[OpenAIBackendInput] = strawberry.field(
        description="For TEXT_GENERATION and EMBEDDING."
    )
    open_inference: strawberry.Maybe[OpenInferenceBackendInput] = strawberry.field(
        description="For TENSOR and the tabular tasks."
    )

    def value(self) -> dict[str, Any]:
        """Returns the backend as the registry file has it."""
        if self.onnx:
            return {"kind": BackendKind.ONNX}
        if self.openai:
            return self.openai.value.value()
        assert self.open_inference is not None  # graphql-core has made sure that one is given
        return self.open_inference.value.value()

    def upload(self, path: tuple[str, ...]) -> str | None:
        """Returns the row's id of the upload that is named, if one is; `path` is where the backend stands."""
        if not self.onnx:
            return None
        return row_id(self.onnx.value.upload_id, "Upload", path=(*path, "onnx", "uploadId"))
