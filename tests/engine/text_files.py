"""A text model that says what it was made to say: the three files of one, small enough to reckon by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from engine.backends.base import VersionSpec
from engine.values import ModelTask
from tests.engine import onnx_files

END = "<|end|>"
CONTEXT = 256
SURE = 100.0


def parrot(folder: Path, script: str, *, context: int = CONTEXT, **config: Any) -> VersionSpec:
    """Writes a model whose answer to a prompt of one byte is `script`, byte by byte, and then the end.

    A token is a byte. A longer prompt skips as many bytes of the script as it is longer than one.
    """
    tokenizer = bytes_tokenizer()
    end = tokenizer.token_to_id(END)
    logits = np.zeros((context, tokenizer.get_vocab_size()), np.float32)
    for place, token in enumerate([*tokenizer.encode(script).ids, *[end] * context][:context]):
        logits[place, token] = SURE
    sizes = {
        "context_length": context,
        "vocab_size": tokenizer.get_vocab_size(),
        "eos_token_id": end,
        "n_layers": 1,
        "n_kv_heads": 1,
        "head_dim": 1,
    }
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(sizes))
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_graph(folder / "model.onnx", logits)
    files = {"path": "model.onnx", "tokenizer": "tokenizer.json", "config": "config.json"}
    return VersionSpec(
        id="parrot",
        name="parrot/1",
        task=ModelTask.TEXT_GENERATION,
        config={name: str(folder / file) for name, file in files.items()} | config,
    )


def bytes_tokenizer() -> Tokenizer:
    """Returns a tokenizer with a token for each byte, and one for the end."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {END: 0} | {byte: 1 + index for index, byte in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END])
    return tokenizer


def _write_graph(path: Path, logits: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    """Writes `logits = table[known + length - 1]` and `present = past + length zeros`."""
    constants = [
        numpy_helper.from_array(logits, "table"),
        numpy_helper.from_array(np.asarray([4], np.int64), "known_axis"),
        numpy_helper.from_array(np.asarray([1], np.int64), "length_axis"),
        numpy_helper.from_array(np.asarray([1], np.int64), "one"),
        numpy_helper.from_array(np.asarray([1, 2, 1, 1], np.int64), "before"),
        numpy_helper.from_array(np.asarray([0.0], np.float32), "zero"),
    ]
    node = helper.make_node
    nodes: list[NodeProto] = [
        node("Shape", ["past"], ["past_shape"]),
        node("Gather", ["past_shape", "known_axis"], ["known"]),
        node("Shape", ["tokens"], ["tokens_shape"]),
        node("Gather", ["tokens_shape", "length_axis"], ["length"]),
        node("Add", ["known", "length"], ["all"]),
        node("Sub", ["all", "one"], ["last"]),
        node("Gather", ["table", "last"], ["logits"]),
        node("Concat", ["before", "length", "one"], ["new_shape"], axis=0),
        node("Expand", ["zero", "new_shape"], ["new"]),
        node("Concat", ["past", "new"], ["present"], axis=4),
    ]
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["batch", "length"])
    past = onnx_files.tensor("past", 1, 2, 1, 1, "known", 1)
    outputs = [
        onnx_files.tensor("logits", "batch", logits.shape[1]),
        onnx_files.tensor("present", 1, 2, 1, 1, "total", 1),
    ]
    onnx_files.save(path, nodes, [tokens, past], outputs, constants)
