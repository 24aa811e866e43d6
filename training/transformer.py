"""The storyteller's network: a decoder-only transformer in PyTorch, for training and for export.

Pre-normalisation with RMSNorm, rotary positions, grouped-query attention with normalised queries and keys,
SwiGLU, and one matrix for embedding and output.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes that make up a network."""

    vocabulary: int = 2048
    context: int = 512
    width: int = 256
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    hidden: int = 704
    dropout: float = 0.1

    @property
    def head_width(self) -> int:
        """Numbers per attention head."""
        return self.width // self.heads


def rotary_table(shape: Shape) -> Tensor:
    """Cosines and sines [2, context, head_width / 2] of RoFormer (arXiv:2104.09864)."""
    half = shape.head_width // 2
    frequencies = 10_000.0 ** (-torch.arange(half) / half)
    angles = torch.outer(torch.arange(shape.context), frequencies)
    return torch.stack((angles.cos(), angles.sin()))


def rotated(x: Tensor, table: Tensor) -> Tensor:
    """Heads [batch, heads, length, head_width] turned by `table` [2, length, head_width / 2]."""
    cosine, sine = table[0].to(x.dtype), table[1].to(x.dtype)
    left, right = x.chunk(2, dim=-1)
    return torch.cat((left * cosine - right * sine, left * sine + right * cosine), dim=-1)


class Attention(nn.Module):
    """Causal self-attention whose keys and values can be kept from call to call."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        kv_width = shape.kv_heads * shape.head_width
        self.to_q = nn.Linear(shape.width, shape.width, bias=False)
        self.to_kv = nn.Linear(shape.width, 2 * kv_width, bias=False)
        self.to_out = nn.Linear(shape.width, shape.width, bias=False)
        self.norm_q = nn.RMSNorm(shape.head_width, eps=1e-6)
        self.norm_k = nn.RMSNorm(shape.head_width, eps=1e-6)

    def heads(self, x: Tensor) -> Tensor:
        """[batch, length, heads x head_width] as [batch, heads, length, head_width]."""
        return x.reshape(*x.shape[:2], -1, self.shape.head_width).transpose(1, 2)

    def forward(
        self, x: Tensor, table: Tensor, past: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The attended values, and keys and values [2, batch, kv_heads, past + length, head_width]."""
        q = rotated(self.norm_q(self.heads(self.to_q(x))), table)
        k, v = (self.heads(part) for part in self.to_kv(x).chunk(2, dim=-1))
        kv = torch.stack((rotated(self.norm_k(k), table), v))
        if past is not None:
            kv = torch.cat((past, kv), dim=3)
        group = self.shape.heads // self.shape.kv_heads
        k, v = (part.repeat_interleave(group, dim=1) for part in kv.unbind(0))
        if mask is None:
            seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = q @ k.transpose(-1, -2) * self.shape.head_width**-0.5
            seen = scores.masked_fill(~mask, -1e9).softmax(-1) @ v
        return self.to_out(seen.transpose(1, 2).flatten(-2)), kv


class SwiGLU(nn.Module):
    """The gated feed-forward layer of arXiv:2002.05202."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.to_hidden = nn.Linear(shape.width, 2 * shape.hidden, bias=False)
        self.to_out = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, length, width] to the same shape."""
        gate, value = self.to_hidden(x).chunk(2, dim=-1)
        out: Tensor = self.to_out(functional.silu(gate) * value)
        return out


class Block(nn.Module):
    """One layer: attention and SwiGLU, each behind a norm and added to its input."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm_attention = nn.RMSNorm(shape.width, eps=1e-6)
        self.attention = Attention(shape)
        self.norm_hidden = nn.RMSNorm(shape.width, eps=1e-6)
        self.hidden = SwiGLU(shape)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(
        self, x: Tensor, table: Tensor, past: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The layer's output, and its keys and values."""
        seen, kv = self.attention(self.norm_attention(x), table, past, mask)
        x = x + self.dropout(seen)
        return x + self.dropout(self.hidden(self.norm_hidden(x))), kv


class Storyteller(nn.Module):
    """The whole network; `scores` for training, `forward` for generation with kept keys and values."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.dropout = nn.Dropout(shape.dropout)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=1e-6)
        self.register_buffer("table", rotary_table(shape), persistent=False)
        self.table: Tensor
        self.apply(self._initialise)

    def _initialise(self, module: nn.Module) -> None:
        """Normal weights, smaller where layers add into the residual stream."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, Attention | SwiGLU):
            nn.init.normal_(module.to_out.weight, std=0.02 / (2 * self.shape.layers) ** 0.5)

    def scores(self, tokens: Tensor) -> Tensor:
        """Logits [batch, length, vocabulary] for the token after each of `tokens` [batch, length]."""
        x = self.dropout(self.embedding(tokens))
        for block in self.blocks:
            x, _ = block(x, self.table[:, : tokens.shape[1]], None, None)
        return functional.linear(self.norm(x), self.embedding.weight)

    def forward(self, tokens: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [batch, vocabulary] for the token after the last one, and the past to hand in next.

        `tokens` is [batch, length]; `past` is [layers, 2, batch, kv_heads, known, head_width], with known = 0
        at the start of a text. known + length must not exceed the context.
        """
        known = past.shape[4]
        positions = known + torch.arange(tokens.shape[1], device=tokens.device)
        mask = torch.arange(known + tokens.shape[1], device=tokens.device) <= positions.unsqueeze(1)
        table = self.table[:, positions]
        x = self.embedding(tokens)
        present = []
        for block, kept in zip(self.blocks, past.unbind(0), strict=True):
            x, kv = block(x, table, kept, mask)
            present.append(kv)
        return self.norm(x[:, -1:]).matmul(self.embedding.weight.T).squeeze(1), torch.stack(present)
