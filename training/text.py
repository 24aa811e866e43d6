"""Trains the storyteller on the novels of `training.novels` and exports it.

One thread, about an hour: ``nice .venv-training/bin/python -m training.text``. It goes on from its checkpoint
when it is started again; with ``--export-only`` it exports what the checkpoint holds.
"""

import argparse
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from training.artifacts import folder, write_card, write_examples
from training.export import MODEL, export
from training.learning import BATCH, Run, held_out_loss, load, train
from training.measure import shipped_loss, tokens_per_second
from training.novels import encode_chapters, read_novels, train_tokenizer
from training.sample import open_model

PROMPTS = [
    "It is a truth universally acknowledged, that",
    '"My dear Mr. Bennet," said his lady to him one day,',
]


@dataclass(frozen=True, slots=True)
class Data:
    """The tokenizer and both parts of the text as token ids [tokens]."""

    tokenizer: Tokenizer
    train: Tensor
    held_out: Tensor
    chapters: int
    held_out_chapters: int
    held_out_characters: int


def load_data(vocabulary: int) -> Data:
    """Reads the novels and learns the tokenizer from the training part; the same every time."""
    novels = read_novels()
    tokenizer = train_tokenizer(novels.train, vocabulary)
    return Data(
        tokenizer,
        torch.tensor(encode_chapters(tokenizer, novels.train)),
        torch.tensor(encode_chapters(tokenizer, novels.held_out)),
        len(novels.train) + len(novels.held_out),
        len(novels.held_out),
        sum(len(chapter) for chapter in novels.held_out),
    )


def publish(run: Run, data: Data) -> None:
    """Exports the network and writes its card from what the exported files do."""
    shape = run.network.shape
    loss = held_out_loss(run.network, data.held_out)
    export(run.network, data.tokenizer)
    model = open_model()
    held_out = data.held_out.tolist()
    shipped = shipped_loss(model, held_out)
    tokens, characters = len(held_out) - 1, data.held_out_characters
    write_card(
        MODEL,
        {
            **asdict(shape),
            "weights": f"{sum(weight.numel() for weight in run.network.parameters()):,}",
            "mebibytes": f"{(folder(MODEL) / 'model.onnx').stat().st_size / 2**20:.1f}",
            "characters_per_token": f"{characters / tokens:.2f}",
            "chapters": data.chapters,
            "held_out_chapters": data.held_out_chapters,
            "train_tokens": f"{len(data.train):,}",
            "held_out_tokens": f"{len(held_out):,}",
            "steps": f"{run.step:,}",
            "batch": BATCH,
            "epochs": f"{run.step * BATCH * shape.context / len(data.train):.1f}",
            "minutes": f"{run.seconds / 60:.0f}",
            "speed": f"{tokens_per_second(model, held_out):,.0f}",
            **figures("", loss, tokens / characters),
            **figures("shipped_", shipped, tokens / characters),
        },
    )
    write_examples(MODEL, [{"prompt": prompt} for prompt in PROMPTS])


def figures(prefix: str, loss: float, tokens_per_character: float) -> dict[str, str]:
    """A loss in nats per token in the three forms of the card."""
    return {
        f"{prefix}loss": f"{loss:.3f}",
        f"{prefix}perplexity": f"{math.exp(loss):.1f}",
        f"{prefix}bits": f"{loss / math.log(2) * tokens_per_character:.3f}",
    }


def main() -> None:
    """Trains what is left to train, then exports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2200)
    parser.add_argument("--checkpoint", type=Path, default=Path("foretell-data/storyteller.pt"))
    parser.add_argument("--export-only", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = load(options.checkpoint, options.steps)
    data = load_data(run.network.shape.vocabulary)
    if not options.export_only:
        train(run, data.train, data.held_out, options.checkpoint)
    publish(run, data)


if __name__ == "__main__":
    main()
