import hashlib
import json
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema_rs
import numpy as np
import pytest
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from tokenizers import Tokenizer

EMBEDDED = Path(__file__).parents[2] / "foretell" / "embedded"
REGISTRY = tomllib.loads((EMBEDDED / "models.toml").read_text(encoding="utf-8"))
MODELS: dict[str, Any] = {model["name"]: model for model in REGISTRY["models"]}
TABULAR = ["breast-cancer", "diabetes"]


def version_of(name: str) -> dict[str, Any]:
    return MODELS[name]["versions"][-1]  # type: ignore[no-any-return]


def read_json(path: str) -> Any:
    return json.loads((EMBEDDED / path).read_text(encoding="utf-8"))


def open_session(name: str) -> InferenceSession:
    path = EMBEDDED / version_of(name)["backend"]["path"]
    return InferenceSession(path, providers=["CPUExecutionProvider"])


def answer(session: InferenceSession, rows: Any) -> NDArray[np.float32]:
    (found,) = session.run(None, {session.get_inputs()[0].name: np.asarray(rows, dtype=np.float32)})
    return np.asarray(found)


def example_rows(name: str) -> NDArray[np.float32]:
    features = list(read_json(version_of(name)["baseline"]))
    records = [example["record"] for example in read_json("examples.json")[name]]
    return np.array([[record[feature] for feature in features] for record in records], dtype=np.float32)


def occlusion(
    session: InferenceSession, rows: NDArray[np.float32], baseline: dict[str, float]
) -> dict[str, float]:
    whole = answer(session, rows)[:, 0]
    changes = {}
    for column, (feature, mean) in enumerate(baseline.items()):
        occluded = rows.copy()
        occluded[:, column] = mean
        changes[feature] = float(np.abs(whole - answer(session, occluded)[:, 0]).mean())
    return changes


@pytest.mark.parametrize("name", MODELS)
def test_every_model_file_has_the_checksum_of_the_registry(name: str) -> None:
    backend = version_of(name)["backend"]

    digest = hashlib.sha256((EMBEDDED / backend["path"]).read_bytes()).hexdigest()

    assert digest == backend["sha256"]


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_card_without_placeholders(name: str) -> None:
    card = (EMBEDDED / name / "README.md").read_text(encoding="utf-8")

    assert "Licence of the data" in card
    assert "$" not in card


def test_the_model_files_stay_small_together() -> None:
    sizes = [path.stat().st_size for path in EMBEDDED.rglob("model.onnx")]

    assert sum(sizes) < 9 * 2**20


@pytest.mark.parametrize("name", TABULAR)
def test_schema_baseline_and_model_agree_on_the_features_and_their_order(name: str) -> None:
    version = version_of(name)
    session = open_session(name)
    schema = read_json(version["input_schema"])

    features = json.loads(session.get_modelmeta().custom_metadata_map["features"])

    assert list(schema["properties"]) == features == schema["required"]
    assert list(read_json(version["baseline"])) == features
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [
        ("features", "tensor(float)", ["batch", len(features)])
    ]


@pytest.mark.parametrize(
    ("name", "output", "shape"),
    [
        ("breast-cancer", "probabilities", ["batch", 2]),
        ("diabetes", "value", ["batch", 1]),
        ("digits", "probabilities", ["batch", 10]),
    ],
)
def test_every_answer_is_one_fp32_tensor_with_a_free_batch(
    name: str, output: str, shape: list[object]
) -> None:
    (found,) = open_session(name).get_outputs()

    assert (found.name, found.type, found.shape) == (output, "tensor(float)", shape)


@pytest.mark.parametrize("name", ["breast-cancer", "digits"])
def test_registry_and_model_agree_on_the_labels_and_their_order(name: str) -> None:
    metadata = open_session(name).get_modelmeta().custom_metadata_map

    assert version_of(name)["labels"] == json.loads(metadata["labels"])


@pytest.mark.parametrize("name", TABULAR)
def test_schemas_are_valid_and_accept_examples_and_baseline(name: str) -> None:
    version = version_of(name)
    schema = read_json(version["input_schema"])
    records = [example["record"] for example in read_json("examples.json")[name]]

    jsonschema_rs.meta.validate(schema)

    for record in [*schema["examples"], *records, read_json(version["baseline"])]:
        jsonschema_rs.validate(schema, record)


def test_breast_cancer_examples_get_their_true_label_and_the_recorded_probability() -> None:
    examples = read_json("examples.json")["breast-cancer"]

    probabilities = answer(open_session("breast-cancer"), example_rows("breast-cancer"))

    labels = version_of("breast-cancer")["labels"]
    assert [labels[index] for index in probabilities.argmax(axis=1)] == [
        example["label"] for example in examples
    ]
    assert probabilities.max(axis=1) == pytest.approx(
        [example["probability"] for example in examples], abs=1e-3
    )
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_diabetes_examples_get_the_recorded_value_near_their_target() -> None:
    examples = read_json("examples.json")["diabetes"]

    values = answer(open_session("diabetes"), example_rows("diabetes"))[:, 0]

    assert values == pytest.approx([example["value"] for example in examples], abs=0.1)
    errors = np.abs(values - [example["target"] for example in examples])
    assert errors.mean() < 58  # what always answering the training mean costs on the held-out records


def test_digits_examples_are_read_rightly_with_the_recorded_probability() -> None:
    examples = read_json("examples.json")["digits"]

    probabilities = answer(open_session("digits"), [example["image"] for example in examples])

    assert [str(digit) for digit in probabilities.argmax(axis=1)] == [
        example["label"] for example in examples
    ]
    assert probabilities.max(axis=1) == pytest.approx(
        [example["probability"] for example in examples], abs=1e-3
    )


@pytest.mark.parametrize(
    ("name", "dominant"),
    [
        ("breast-cancer", {"worst_perimeter", "worst_area", "worst_concave_points", "mean_concave_points"}),
        ("diabetes", {"bmi", "s5"}),
    ],
)
def test_a_known_dominant_feature_matters_most_when_occluded(name: str, dominant: set[str]) -> None:
    baseline = read_json(version_of(name)["baseline"])

    changes = occlusion(open_session(name), example_rows(name), baseline)

    assert max(changes, key=changes.__getitem__) in dominant


def test_storyteller_continues_a_text_token_by_token_as_in_one_go() -> None:
    session = open_session("storyteller")
    config = read_json(version_of("storyteller")["config"])
    tokenizer = Tokenizer.from_file(str(EMBEDDED / version_of("storyteller")["tokenizer"]))
    ids = [config["bos_token_id"], *tokenizer.encode("It is a truth universally acknowledged").ids]
    empty = np.zeros((config["n_layers"], 2, 1, config["n_kv_heads"], 0, config["head_dim"]), np.float32)

    at_once, _ = session.run(["logits", "present"], {"tokens": [ids], "past": empty})
    past = empty
    for token in ids:
        stepwise, past = session.run(["logits", "present"], {"tokens": [[token]], "past": past})

    assert past.shape[4] == len(ids)
    assert at_once.shape == (1, config["vocab_size"])
    assert np.corrcoef(at_once[0], stepwise[0])[0, 1] > 0.99


def test_storyteller_finds_real_sentences_likelier_than_their_words_reversed() -> None:
    session = open_session("storyteller")
    tokenizer = Tokenizer.from_file(str(EMBEDDED / version_of("storyteller")["tokenizer"]))
    config = read_json(version_of("storyteller")["config"])
    sentence = "She had been so much surprised by the letter, that she could hardly say a word to her sister."

    losses = [
        loss_of(session, config, tokenizer.encode(text).ids)
        for text in (sentence, " ".join(reversed(sentence.split())))
    ]

    assert losses[0] < losses[1] - 0.5


def loss_of(session: InferenceSession, config: dict[str, Any], ids: list[int]) -> float:
    past = np.zeros((config["n_layers"], 2, 1, config["n_kv_heads"], 0, config["head_dim"]), np.float32)
    total = 0.0
    for token, following in pairwise([config["bos_token_id"], *ids]):
        logits, past = session.run(["logits", "present"], {"tokens": [[token]], "past": past})
        total += float(np.logaddexp.reduce(logits[0].astype(np.float64)) - logits[0, following])
    return total / len(ids)


def test_storyteller_tokenizer_gives_any_text_back() -> None:
    tokenizer = Tokenizer.from_file(str(EMBEDDED / version_of("storyteller")["tokenizer"]))
    text = "“Naïve”, said Mr. Ω:\t\n\n  42 £ ½ 😀"

    assert tokenizer.decode(tokenizer.encode(text).ids) == text
