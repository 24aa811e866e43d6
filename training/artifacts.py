"""What every training script writes in the same way: ONNX files, JSON, model cards, checksums."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template

import onnx
import tomlkit

EMBEDDED = Path(__file__).parent.parent / "foretell" / "embedded"
CARDS = Path(__file__).parent / "cards"
NUMBERS = re.compile(r"\[\s+([-+\d.,e\s]+?)\s+\]")


def folder(model: str) -> Path:
    """The folder of an embedded model, made if it is not there."""
    path = EMBEDDED / model
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_json(path: Path, value: object) -> None:
    """Writes indented UTF-8 JSON, each list of numbers on one line; the order of keys is kept."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    text = NUMBERS.sub(lambda found: re.sub(r"\s+", " ", f"[{found[1]}]"), text)
    path.write_text(text + "\n", encoding="utf-8")


def write_card(model: str, figures: Mapping[str, object]) -> None:
    """Fills the placeholders of `cards/<model>.md` with what was measured; or raises KeyError."""
    template = Template((CARDS / f"{model}.md").read_text(encoding="utf-8"))
    (folder(model) / "README.md").write_text(template.substitute(figures), encoding="utf-8")


def write_onnx(model: str, graph: onnx.ModelProto, metadata: Mapping[str, object]) -> Path:
    """Writes `<model>/model.onnx` with `metadata` as JSON values and notes its checksum in the registry file.

    Exporters leave stack traces of the exporting machine on every node: they are taken out, which also makes
    the file the same wherever it is made.
    """
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*graph.graph.value_info, *graph.graph.input, *graph.graph.output, *graph.graph.initializer]:
        del value.metadata_props[:]
        value.doc_string = ""
    del graph.graph.metadata_props[:]
    graph.graph.doc_string = ""
    onnx.helper.set_model_props(graph, {key: json.dumps(value) for key, value in metadata.items()})
    onnx.checker.check_model(graph, full_check=True)
    path = folder(model) / "model.onnx"
    path.write_bytes(graph.SerializeToString(deterministic=True))
    record_checksum(model, path)
    return path


def record_checksum(model: str, artifact: Path) -> None:
    """Sets the checksum of a model's last version in `models.toml`; raises KeyError for an unknown model."""
    registry = EMBEDDED / "models.toml"
    document = tomlkit.parse(registry.read_text(encoding="utf-8"))
    entries = {entry["name"]: entry for entry in document["models"]}
    digest = hashlib.sha256(artifact.read_bytes()).hexdigest()
    entries[model]["versions"][-1]["backend"]["sha256"] = digest
    registry.write_text(tomlkit.dumps(document), encoding="utf-8")


def write_examples(model: str, examples: list[dict[str, object]]) -> None:
    """Sets one model's examples in `examples.json`, which holds those of every model by name."""
    path = EMBEDDED / "examples.json"
    everything = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    write_json(path, dict(sorted({**everything, model: examples}.items())))
