"""OpenAIConfig: what an operator says of a server that speaks OpenAI's API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic.alias_generators import to_camel

from engine.backends.configs import ConfigPart
from engine.backends.servers import KeyEnv, Seconds, ServerUrl
from engine.errors import ModelError
from engine.plain_words import problems


class Timeouts(ConfigPart):
    """How long to wait, in seconds: for the connection, for each attempt's first token (or its whole
    answer, where it does not stream), between two pieces of the stream, and for all of it."""

    connect: Seconds = 5.0
    first_token: Seconds = 60.0
    between_tokens: Seconds = 30.0
    total: Seconds = 600.0


class OpenAIConfig(ConfigPart):
    """A model of such a server.

    Attributes:
        base_url: where the API begins, with its version: `https://api.openai.com/v1`.
        model: the server's name for the model.
        api_key_env: the name of the environment variable that holds the key, if it takes one.
        api: which of its two ways to generate text to use.
        max_tokens_field: what the server calls the number of tokens; newer models of OpenAI's take
            `max_completion_tokens` only.
        stream_usage: whether to ask for the usage with the stream; servers that do not know
            `stream_options` may refuse it.
        logprobs: whether to ask for the log probability of each token; not all models tell it.
        max_connections: calls at once; more wait for their turn, within the time for the first token.
    """

    base_url: ServerUrl
    model: Annotated[str, Field(min_length=1, max_length=200)]
    api_key_env: KeyEnv | None = None
    api: Literal["chat", "completions"] = "chat"
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream_usage: bool = True
    logprobs: bool = False
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 100
    timeouts: Timeouts = Timeouts()

    @classmethod
    def of(cls, config: dict[str, Any]) -> OpenAIConfig:
        """Returns what a version's config says, whatever else it holds.

        Raises:
            ModelError: something is missing or wrong.
        """
        names = {to_camel(name) for name in cls.model_fields}
        try:
            return cls.model_validate({name: value for name, value in config.items() if name in names})
        except ValidationError as error:
            raise ModelError(f"The config is wrong: {problems(error)}.") from error
