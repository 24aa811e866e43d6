"""Writes text with the storyteller: the reference for a runtime of its three files.

Needs onnxruntime, tokenizers and numpy only: ``python -m training.sample "It was a fine morning" --seed 7``.
The same prompt, parameters and seed give the same text: one text per call (rows of a batch would share the
scale of the quantised activations), the prompt in one call, and one uniform number drawn per token.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession, SessionOptions
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

STORYTELLER = Path(__file__).parent.parent / "foretell" / "embedded" / "storyteller"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is drawn. Temperature 0 takes the likeliest; `top_p` keeps those that add up to it."""

    temperature: float = 0.8
    top_p: float = 0.95
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TextModel:
    """A loaded text model."""

    session: InferenceSession
    tokenizer: Tokenizer
    config: dict[str, Any]

    def empty_past(self) -> Floats:
        """What the model remembers at the start of a text."""
        config = self.config
        return np.zeros((config["n_layers"], 2, 1, config["n_kv_heads"], 0, config["head_dim"]), np.float32)

    def read(self, ids: list[int], past: Floats) -> tuple[Floats, Floats]:
        """Logits [vocabulary] for the token after `ids`, and the longer past."""
        logits, present = self.session.run(
            ["logits", "present"], {"tokens": np.array([ids], dtype=np.int64), "past": past}
        )
        return np.asarray(logits)[0], np.asarray(present)


def open_model(folder: Path = STORYTELLER) -> TextModel:
    """Loads a text model for one thread: at this size more threads only wait for each other."""
    options = SessionOptions()
    options.intra_op_num_threads = 1
    return TextModel(
        InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"]),
        Tokenizer.from_file(str(folder / "tokenizer.json")),
        json.loads((folder / "config.json").read_text(encoding="utf-8")),
    )


def draw(logits: Floats, sampling: Sampling, random: np.random.Generator) -> int:
    """One token id by nucleus sampling (arXiv:1904.09751)."""
    if sampling.temperature == 0:
        return int(logits.argmax())
    order = np.argsort(-logits, kind="stable")
    scaled = logits[order].astype(np.float64) / sampling.temperature
    probabilities = np.exp(scaled - scaled[0])
    probabilities /= probabilities.sum()
    before = np.cumsum(probabilities) - probabilities
    nucleus = probabilities[before < sampling.top_p]
    drawn = np.searchsorted(np.cumsum(nucleus), random.random() * nucleus.sum(), side="right")
    return int(order[min(int(drawn), len(nucleus) - 1)])


def generate(model: TextModel, prompt: str, max_tokens: int, sampling: Sampling) -> Iterator[int]:
    """Token ids after the prompt, until the model ends the text, `max_tokens`, or the context is full.

    Raises ValueError for a prompt that leaves no room in the context.
    """
    ids = [model.config["bos_token_id"], *model.tokenizer.encode(prompt, add_special_tokens=False).ids]
    room = model.config["context_length"] - len(ids)
    if room < 1:
        raise ValueError(
            f"The prompt has {len(ids)} tokens and the context {model.config['context_length']}."
        )
    random = np.random.default_rng(sampling.seed)
    past = model.empty_past()
    for _ in range(min(max_tokens, room)):
        logits, past = model.read(ids, past)
        token = draw(logits, sampling, random)
        if token == model.config["eos_token_id"]:
            return
        yield token
        ids = [token]


def pieces(tokenizer: Tokenizer, ids: Iterator[int]) -> Iterator[str]:
    """The text of the tokens as it grows; a character of several tokens comes whole, with its last one."""
    stream = DecodeStream(skip_special_tokens=True)
    for token in ids:
        piece = stream.step(tokenizer, token)
        if piece:
            yield piece


def main() -> None:
    """Prints the text as it grows, writes it once more to prove it is the same, and tells the speed."""
    usual = Sampling()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prompt")
    parser.add_argument("--max-tokens", type=int, default=200)
    parser.add_argument("--temperature", type=float, default=usual.temperature)
    parser.add_argument("--top-p", type=float, default=usual.top_p)
    parser.add_argument("--seed", type=int, default=usual.seed)
    options = parser.parse_args()
    sampling = Sampling(options.temperature, options.top_p, options.seed)
    model = open_model()

    print(options.prompt, end="", flush=True)
    for piece in pieces(model.tokenizer, generate(model, options.prompt, options.max_tokens, sampling)):
        print(piece, end="", flush=True)
    began = time.perf_counter()
    first = list(generate(model, options.prompt, options.max_tokens, sampling))
    seconds = time.perf_counter() - began
    again = list(generate(model, options.prompt, options.max_tokens, sampling))
    print(f"\n\n{len(first)} tokens, {len(first) / seconds:.0f} tokens/s; again the same: {first == again}")


if __name__ == "__main__":
    main()
