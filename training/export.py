"""Turns a trained storyteller into what the service runs: `model.onnx`, `tokenizer.json`, `config.json`.

One graph serves the prompt and every later token: `tokens` INT64 [batch, length] and `past` FP32
[layers, 2, batch, kv_heads, known, head_width] in; `logits` FP32 [batch, vocabulary], for the token after
the last one, and `present`, the past to hand in next, out. At the start of a text `known` is 0; all rows of a
batch have the same length; known + length must not exceed `context_length`.
"""

import tempfile
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from tokenizers import Tokenizer

from training.artifacts import folder, write_json, write_onnx
from training.novels import END
from training.transformer import Shape, Storyteller

MODEL = "storyteller"


def traced(network: Storyteller) -> onnx.ModelProto:
    """The network as an ONNX graph in FP32 with free batch, length and known."""
    shape = network.shape
    past = torch.zeros(shape.layers, 2, 2, shape.kv_heads, 5, shape.head_width)
    batch, length, known = (torch.export.Dim(name) for name in ("batch", "length", "known"))
    program = torch.onnx.export(
        network.eval(),
        (torch.zeros(2, 3, dtype=torch.int64), past),
        input_names=["tokens", "past"],
        output_names=["logits", "present"],
        dynamic_shapes={"tokens": {0: batch, 1: length}, "past": {2: batch, 4: known}},
    )
    assert program is not None
    return program.model_proto


def quantised(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with 8-bit weights and a scale per column; activations are quantised as they come.

    Unsigned weights, because signed ones overflow in the 16-bit sums of CPUs that have AVX2 and no VNNI.
    """
    with tempfile.TemporaryDirectory() as directory:
        exact, ready, small = (
            str(Path(directory, name)) for name in ("exact.onnx", "ready.onnx", "small.onnx")
        )
        onnx.save(graph, exact)
        quant_pre_process(exact, ready, skip_symbolic_shape=True)
        quantize_dynamic(
            ready,
            small,
            op_types_to_quantize=["MatMul", "Gather"],
            per_channel=True,
            weight_type=QuantType.QUInt8,
        )
        return onnx.load(small)


def config_of(shape: Shape, tokenizer: Tokenizer) -> dict[str, object]:
    """What a runtime has to know to run the graph."""
    end = tokenizer.token_to_id(END)
    return {
        "context_length": shape.context,
        "vocab_size": shape.vocabulary,
        "bos_token_id": end,
        "eos_token_id": end,
        "n_layers": shape.layers,
        "n_heads": shape.heads,
        "n_kv_heads": shape.kv_heads,
        "head_dim": shape.head_width,
        "inputs": {"tokens": "tokens", "past": "past"},
        "outputs": {"logits": "logits", "present": "present"},
    }


def export(network: Storyteller, tokenizer: Tokenizer) -> Path:
    """Writes the three files and returns the path of the model."""
    config = config_of(network.shape, tokenizer)
    tokenizer.save(str(folder(MODEL) / "tokenizer.json"))
    write_json(folder(MODEL) / "config.json", config)
    return write_onnx(MODEL, quantised(traced(network)), {"task": "TEXT_GENERATION", **config})
