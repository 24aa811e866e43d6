"""TextModel: a decoder with a key/value cache as ONNX file, its tokenizer, and one text in the making.

The graph takes `tokens` INT64 [batch, length] and `past` FP32 [layers, 2, batch, kv_heads, known,
head_dim]; it gives `logits` FP32 [batch, vocabulary] for the token after the last one, and `present`,
the past to hand in next. `config.json` tells the sizes and, where they differ, the names. Everything
here computes and blocks: it runs in threads.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel, DecodeStream

from engine.backends.onnx import open_session
from engine.backends.sampling import TEMPERATURE, TOP_P, Sampler, Sampling
from engine.backends.stops import StopFilter
from engine.errors import ModelError
from engine.plain_words import problems
from engine.room import Room
from engine.text import TextRequest, storable
from engine.values import FinishReason

Floats = NDArray[np.float32]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class InputNames(_Part):
    """What the graph calls its inputs."""

    tokens: str = "tokens"
    past: str = "past"


class OutputNames(_Part):
    """What the graph calls its outputs."""

    logits: str = "logits"
    present: str = "present"


class Sizes(_Part):
    """What `config.json` says of a model. A text begins with `bos_token_id`, if there is one."""

    context_length: int = Field(ge=2)
    vocab_size: int = Field(ge=2)
    bos_token_id: int | None = None
    eos_token_id: int
    n_layers: int = Field(ge=1)
    n_kv_heads: int = Field(ge=1)
    head_dim: int = Field(ge=1)
    inputs: InputNames = InputNames()
    outputs: OutputNames = OutputNames()


@dataclass(frozen=True, slots=True)
class TextModel:
    """A text model that is ready to read and write; threads may share it."""

    session: ort.InferenceSession
    tokenizer: Tokenizer
    sizes: Sizes

    @classmethod
    def open(cls, config: dict[str, Any]) -> TextModel:
        """Opens the files of a version's config: `path`, `tokenizer`, `config`; reads one token to try them.

        Raises:
            ModelError: a file is missing, broken, or does not fit the others.
        """
        sizes = _read_sizes(config.get("config"))
        tokenizer = read_tokenizer(config.get("tokenizer"))
        tokenizer.encode_special_tokens = True  # "<|end|>" in a prompt is a text, it ends nothing
        model = cls(open_session(config), tokenizer, sizes)
        logits, _ = model.read([sizes.eos_token_id], model.empty_past())
        if logits.shape != (sizes.vocab_size,) or tokenizer.get_vocab_size() > sizes.vocab_size:
            raise ModelError(
                f"The model tells {logits.shape[-1]} tokens apart, its config {sizes.vocab_size}, "
                f"its tokenizer {tokenizer.get_vocab_size()}."
            )
        return model

    def encode(self, text: str) -> list[int]:
        """Returns the token ids of a text."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def begin(self, prompt: str) -> list[int]:
        """Returns the token ids that a prompt is read as."""
        first = self.sizes.bos_token_id
        return [*([] if first is None else [first]), *self.encode(prompt)]

    @property
    def room(self) -> Room:
        """How long a prompt may be."""
        tokenizer = self.tokenizer
        # Then the bytes of a prompt are those of its tokens, and a token has a character for each byte.
        is_literal = (
            tokenizer.normalizer is None
            and isinstance(tokenizer.decoder, ByteLevel)
            and tokenizer.model.unk_token is None
        )
        longest = max(map(len, tokenizer.get_vocab())) if is_literal else None
        return Room(self.sizes.context_length, lambda prompt: len(self.begin(prompt)), longest)

    def empty_past(self) -> Floats:
        """Returns what the model remembers at the start of a text."""
        sizes = self.sizes
        return np.zeros((sizes.n_layers, 2, 1, sizes.n_kv_heads, 0, sizes.head_dim), np.float32)

    def read(self, ids: list[int], past: Floats) -> tuple[Floats, Floats]:
        """Returns the logits [vocabulary] for the token after `ids`, and the past with them.

        Raises:
            ModelError: ONNX Runtime could not run the model.
        """
        names = self.sizes.inputs, self.sizes.outputs
        feeds = {names[0].tokens: np.array([ids], dtype=np.int64), names[0].past: past}
        try:
            logits, present = self.session.run([names[1].logits, names[1].present], feeds)
        except Exception as error:
            raise ModelError(f"ONNX Runtime could not run the model: {error}") from error
        return np.asarray(logits)[0], np.asarray(present)


def _read_sizes(path: str | None) -> Sizes:
    if path is None:
        raise ModelError("A text model needs a `config` file.")
    try:
        return Sizes.model_validate_json(Path(path).read_bytes())
    except OSError as error:
        raise ModelError(f"The config file can not be read: {error.strerror}.") from error
    except ValidationError as error:
        raise ModelError(f"The config file is wrong: {problems(error)}.") from error


def read_tokenizer(path: str | None) -> Tokenizer:
    """Reads a `tokenizer.json`.

    Raises:
        ModelError: it is missing or broken.
    """
    if path is None:
        raise ModelError("A text model needs a `tokenizer` file.")
    try:
        return Tokenizer.from_str(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"The tokenizer file can not be read: {error.strerror}.") from error
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(f"The tokenizer file is broken: {error}") from error


class Generation:
    """One text in the making, for one thread at a time.

    Attributes:
        finish_reason: why it ended; None while it has not.
        input_tokens: how many tokens the model was given to start with.
        output_tokens: how many it has written, but for the one that says that the text ends.
    """

    def __init__(self, model: TextModel, request: TextRequest) -> None:
        self._model = model
        self._unread = model.begin(request.flat)
        self.input_tokens = len(self._unread)
        if self.input_tokens >= model.sizes.context_length:  # it was checked against another file
            raise ModelError(f"The prompt has {self.input_tokens} tokens and leaves no room for an answer.")
        self._past = model.empty_past()
        self._sampler = Sampler(
            Sampling(
                TEMPERATURE if request.temperature is None else request.temperature,
                TOP_P if request.top_p is None else request.top_p,
            ),
            request.seed,
        )
        self._decoder = DecodeStream(skip_special_tokens=True)
        self._stops = StopFilter(request.stop)
        self.output_tokens = 0
        self._limit = min(request.max_tokens, model.sizes.context_length - self.input_tokens)
        self.finish_reason: FinishReason | None = None

    def advance(self, seconds: float) -> list[str]:
        """Writes at least one token, and more until the time is over or the text; returns what can be shown.

        A character of several tokens comes whole, with its last one; half a character at the end is
        dropped.

        Raises:
            ModelError: ONNX Runtime could not run the model.
        """
        pieces = []
        until = time.perf_counter() + seconds
        while self.finish_reason is None:
            pieces.append(self._step())
            if time.perf_counter() >= until:
                break
        if self.finish_reason is not None:
            pieces.append(self._stops.flush())
        return [piece for piece in pieces if piece]

    def _step(self) -> str:
        logits, self._past = self._model.read(self._unread, self._past)
        token = self._sampler.draw(logits)
        if token == self._model.sizes.eos_token_id:
            self.finish_reason = FinishReason.STOP
            return ""
        self.output_tokens += 1
        self._unread = [token]
        piece = self._stops.feed(storable(self._decoder.step(self._model.tokenizer, token) or ""))
        if self._stops.stopped:
            self.finish_reason = FinishReason.STOP
        elif self.output_tokens >= self._limit:
            self.finish_reason = FinishReason.LENGTH
        return piece
