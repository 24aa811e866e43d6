"""Trains the storyteller on the novels of `training.novels` and exports it.

One thread, about an hour: ``nice .venv-training/bin/python -m training.text``. It goes on from its checkpoint
when it is started again; with ``--export-only`` it exports what the checkpoint holds.
"""

import argparse
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from training.artifacts import folder, write_card, write_examples
from training.export import MODEL, export
from training.measure import shipped_loss, tokens_per_second
from training.novels import encode_chapters, read_novels, train_tokenizer
from training.sample import open_model
from training.transformer import Shape, Storyteller

SEED = 0
BATCH = 8
LEARNING_RATE = 6e-3
WARM_UP = 60
CHECKPOINT_EVERY = 150
MEASURE_EVERY = 300
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


@dataclass(slots=True)
class Run:
    """A training run: what it has learnt, how far it is, and the seconds it took."""

    network: Storyteller
    optimizers: list[torch.optim.Optimizer]
    steps: int
    step: int = 0
    seconds: float = 0.0


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


def start(shape: Shape, steps: int) -> Run:
    """A fresh run: Muon (kellerjordan.github.io/posts/muon) for the matrices, AdamW for the rest."""
    torch.manual_seed(SEED)
    network = Storyteller(shape)
    matrices = [weight for weight in network.blocks.parameters() if weight.ndim == 2]
    rest = [network.embedding.weight, *(weight for weight in network.parameters() if weight.ndim == 1)]
    muon = torch.optim.Muon(matrices, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.AdamW(rest, betas=(0.9, 0.95), weight_decay=0.01)
    return Run(network, [muon, adam], steps)


def save(run: Run, path: Path) -> None:
    """Replaces the checkpoint at once, so that a kill leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "shape": asdict(run.network.shape),
        "network": run.network.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in run.optimizers],
        "step": run.step,
        "seconds": run.seconds,
    }
    fresh = path.with_suffix(".new")
    torch.save(state, fresh)
    fresh.replace(path)


def load(path: Path, steps: int) -> Run:
    """The run that the checkpoint holds, or a fresh one where there is no checkpoint."""
    if not path.exists():
        return start(Shape(), steps)
    state = torch.load(path)
    run = start(Shape(**state["shape"]), steps)
    run.network.load_state_dict(state["network"])
    for optimizer, saved in zip(run.optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    run.step, run.seconds = state["step"], state["seconds"]
    return run


def learning_rate(step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to a fiftieth."""
    progress = min(1.0, step / steps)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return LEARNING_RATE * min(1.0, (step + 1) / WARM_UP) * (0.02 + 0.98 * cosine)


def crops(ids: Tensor, length: int, step: int) -> Tensor:
    """The windows [BATCH, length + 1] of one step, drawn from the seed and the step alone."""
    generator = torch.Generator().manual_seed(SEED + step)
    starts = torch.randint(len(ids) - length, (BATCH, 1), generator=generator)
    return ids[starts + torch.arange(length + 1)]


def train_step(run: Run, data: Data) -> float:
    """One step of the optimizers; returns the loss in nats per token."""
    windows = crops(data.train, run.network.shape.context, run.step)
    rate = learning_rate(run.step, run.steps)
    torch.manual_seed(SEED + run.step)  # dropout too is the same after a resume
    with torch.autocast("cpu", torch.bfloat16):
        scores = run.network.scores(windows[:, :-1])
    loss = functional.cross_entropy(scores.float().flatten(0, 1), windows[:, 1:].flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.network.parameters(), 1.0)
    for optimizer in run.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
    run.step += 1
    return loss.item()


@torch.no_grad()
def held_out_loss(network: Storyteller, ids: Tensor) -> float:
    """Nats per held-out token, in windows of one context each."""
    network.eval()
    context = network.shape.context
    total = 0.0
    for begin in range(0, len(ids) - 1, context):
        window = ids[begin : begin + context + 1].unsqueeze(0)
        scores = network.scores(window[:, :-1])
        total += functional.cross_entropy(
            scores.flatten(0, 1), window[:, 1:].flatten(), reduction="sum"
        ).item()
    network.train()
    return total / (len(ids) - 1)


def train(run: Run, data: Data, checkpoint: Path) -> None:
    """Runs the steps that are left, with a line on the terminal and a checkpoint now and then."""
    since = time.monotonic() - run.seconds
    while run.step < run.steps:
        loss = train_step(run, data)
        run.seconds = time.monotonic() - since
        if run.step % MEASURE_EVERY == 0 or run.step == run.steps:
            print(f"held out: {held_out_loss(run.network, data.held_out):.4f}", flush=True)
        if run.step % CHECKPOINT_EVERY == 0 or run.step == run.steps:
            save(run, checkpoint)
        if run.step % 25 == 0:
            print(f"step {run.step}/{run.steps} loss {loss:.4f} after {run.seconds / 60:.1f} min", flush=True)


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
    parser.add_argument("--steps", type=int, default=2700)
    parser.add_argument("--checkpoint", type=Path, default=Path("foretell-data/storyteller.pt"))
    parser.add_argument("--export-only", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = load(options.checkpoint, options.steps)
    data = load_data(run.network.shape.vocabulary)
    if not options.export_only:
        train(run, data, options.checkpoint)
    publish(run, data)


if __name__ == "__main__":
    main()
