"""Training of the storyteller: the steps, their schedule, and a checkpoint to go on from."""

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from training.transformer import Shape, Storyteller

SEED = 0
BATCH = 8
LEARNING_RATE = 6e-3
WARM_UP = 60
CHECKPOINT_EVERY = 150
MEASURE_EVERY = 300


@dataclass(slots=True)
class Run:
    """A training run: what it has learnt, how far it is, and the seconds it took."""

    network: Storyteller
    optimizers: list[torch.optim.Optimizer]
    steps: int
    step: int = 0
    seconds: float = 0.0


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


def train_step(run: Run, ids: Tensor) -> float:
    """One step of the optimizers; returns the loss in nats per token."""
    windows = crops(ids, run.network.shape.context, run.step)
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


def train(run: Run, ids: Tensor, held_out: Tensor, checkpoint: Path) -> None:
    """Runs the steps that are left, with a line on the terminal and a checkpoint now and then."""
    since = time.monotonic() - run.seconds
    while run.step < run.steps:
        loss = train_step(run, ids)
        run.seconds = time.monotonic() - since
        if run.step % MEASURE_EVERY == 0 or run.step == run.steps:
            print(f"held out: {held_out_loss(run.network, held_out):.4f}", flush=True)
        if run.step % CHECKPOINT_EVERY == 0 or run.step == run.steps:
            save(run, checkpoint)
        if run.step % 25 == 0:
            print(f"step {run.step}/{run.steps} loss {loss:.4f} after {run.seconds / 60:.1f} min", flush=True)
