"""OpenInferenceConfig: what is said of a server that speaks the Open Inference Protocol."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic.alias_generators import to_camel

from engine.backends.configs import ConfigPart
from engine.backends.servers import KeyEnv, Seconds, ServerUrl
from engine.errors import ModelError
from engine.plain_words import problems
from engine.values import TensorDatatype, TensorSpec

Name = Annotated[str, Field(min_length=1, max_length=200)]
Dimension = Annotated[int, Field(ge=-1, le=2**31)]


class Protocol(StrEnum):
    """How a server is asked."""

    HTTP = "HTTP"
    GRPC = "GRPC"


class Timeouts(ConfigPart):
    """How long to wait, in seconds: for the connection, and for one prediction in all."""

    connect: Seconds = 5.0
    total: Seconds = 60.0


class TensorForm(ConfigPart):
    """A tensor that the server takes or gives, where it does not tell itself; -1 is any size."""

    name: Name
    datatype: TensorDatatype
    shape: Annotated[list[Dimension], Field(max_length=16)]

    def spec(self) -> TensorSpec:
        """Returns it as backends know it."""
        return TensorSpec(self.name, self.datatype, tuple(self.shape))


class OpenInferenceConfig(ConfigPart):
    """A model of such a server.

    Attributes:
        url: where the server is, before `/v2`; for GRPC its host and port only.
        model: the server's name for the model.
        model_version: the server's version of it; the one it takes by itself if left out.
        protocol: how it is asked; over GRPC a prediction that is cancelled is cancelled there too.
        api_key_env: the name of the environment variable with the token that goes into `Authorization`.
        binary: whether tensors travel as bytes over HTTP; by default where the server says that it can.
        scores: the output that tabular tasks read; the first one if left out.
        inputs, outputs: the tensors, for servers that do not tell them.
        max_connections: calls at once; more wait for their turn, within the time for the prediction.
    """

    url: ServerUrl
    model: Name
    model_version: Name | None = None
    protocol: Protocol = Protocol.HTTP
    api_key_env: KeyEnv | None = None
    binary: bool | None = None
    scores: Name | None = None
    inputs: Annotated[tuple[TensorForm, ...], Field(max_length=1000)] = ()
    outputs: Annotated[tuple[TensorForm, ...], Field(max_length=1000)] = ()
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 100
    timeouts: Timeouts = Timeouts()

    @classmethod
    def of(cls, config: dict[str, Any]) -> OpenInferenceConfig:
        """Returns what a version's config says, whatever else it holds.

        Raises:
            ModelError: something is missing or wrong.
        """
        names = {to_camel(name) for name in cls.model_fields}
        try:
            return cls.model_validate({name: value for name, value in config.items() if name in names})
        except ValidationError as error:
            raise ModelError(f"The config is wrong: {problems(error)}.") from error
