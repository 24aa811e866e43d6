"""Trains the digits model, a small convolutional network, on the 8 x 8 images that ship inside scikit-learn.

It takes one tensor `image`, FP32 of shape [-1, 8, 8] with grey values from 0 to 16, and answers
`probabilities`, FP32 [-1, 10].
"""

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from training.artifacts import write_card, write_examples, write_onnx

SEED = 0
TEST_SHARE = 0.25
EPOCHS = 60
BATCH = 64
LARGEST_GREY = 16.0


class Digits(nn.Module):
    """Two convolutions, one pooling, one linear layer: about 10,000 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.scores_of = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(512, 10),
        )

    def scores(self, image: Tensor) -> Tensor:
        """Logits [batch, 10] of images [batch, 8, 8]."""
        logits: Tensor = self.scores_of(image.unsqueeze(1) / LARGEST_GREY)
        return logits

    def forward(self, image: Tensor) -> Tensor:
        """Probabilities [batch, 10] of images [batch, 8, 8]."""
        return self.scores(image).softmax(-1)


def train(images: Tensor, digits: Tensor) -> Digits:
    """A network fitted with AdamW and a one-cycle schedule."""
    torch.manual_seed(SEED)
    network = Digits()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(images))
        for batch in order[: len(order) // BATCH * BATCH].split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network.scores(images[batch]), digits[batch]).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def publish(network: Digits) -> InferenceSession:
    """Writes the model and opens it as the service will."""
    program = torch.onnx.export(
        network,
        (torch.zeros(2, 8, 8),),
        input_names=["image"],
        output_names=["probabilities"],
        dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
    )
    assert program is not None
    labels = [str(digit) for digit in range(10)]
    path = write_onnx("digits", program.model_proto, {"labels": labels, "task": "TENSOR"})
    return InferenceSession(path, providers=["CPUExecutionProvider"])


def examples(images: NDArray[np.float32], digits: NDArray[np.int64], answers: NDArray[np.float32]) -> None:
    """Keeps the first two held-out images of different digits that the model reads rightly."""
    right = np.flatnonzero(answers.argmax(axis=1) == digits)
    second = next(index for index in right if digits[index] != digits[right[0]])
    write_examples(
        "digits",
        [
            {
                "image": images[index].astype(int).tolist(),
                "label": str(digits[index]),
                "probability": round(float(answers[index].max()), 4),
            }
            for index in (right[0], second)
        ],
    )


def main() -> None:
    """Trains, measures, and writes the model, its card and its examples."""
    torch.set_num_threads(1)
    source = load_digits()
    split = train_test_split(
        source.images.astype(np.float32),
        source.target,
        test_size=TEST_SHARE,
        random_state=SEED,
        stratify=source.target,
    )
    images, held_out, digits, truth = split
    network = train(torch.from_numpy(images), torch.from_numpy(digits))
    (answers,) = publish(network).run(None, {"image": held_out})
    exact = answers.astype(np.float64)
    write_card(
        "digits",
        {
            "weights": f"{sum(weight.numel() for weight in network.parameters()):,}",
            "train": len(images),
            "test": len(held_out),
            "accuracy": f"{accuracy_score(truth, answers.argmax(axis=1)):.3f}",
            "log_loss": f"{log_loss(truth, exact / exact.sum(axis=1, keepdims=True)):.3f}",
        },
    )
    examples(held_out, truth, answers)


if __name__ == "__main__":
    main()
