"""`foretell predict`: asks a model of a running server, as any client would."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from engine.broken_json import told_broken
from foretell.cli.failures import CommandError
from foretell.cli.output import note, show_json, show_table
from foretell.client import Client

PREDICT = """
mutation Predict($input: PredictInput!) {
  predict(input: $input) {
    prediction {
      id
      status
      output {
        ... on TabularOutput { results { value label score probabilities { label probability } } }
        ... on TensorOutput { tensors { name datatype shape data } }
        ... on TextOutput { text finishReason }
        ... on EmbeddingOutput { dimensions embeddings }
      }
      error { code message }
      explanation { records { attributions { feature value featureValue } } }
      latency { queueMs inferenceMs overheadMs totalMs }
      modelVersion { version model { name } }
    }
    errors { code message path }
  }
}
"""

app = typer.Typer(add_completion=False)


@app.command("predict")
def predict(
    model: Annotated[str, typer.Argument(help="The model, by name.")],
    record: Annotated[
        list[str] | None, typer.Option("--record", help="A record as a JSON object; repeatable.")
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", help="Records as a JSON array, or one a line; - is stdin.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", help="A whole PredictionDataInput as JSON, for models that take no records."),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="A prompt, for models that write texts.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Also find out why.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the prediction as JSON.")] = False,
    url: Annotated[
        str, typer.Option("--url", envvar="FORETELL_URL", help="The server.")
    ] = "http://127.0.0.1:8000",
    key: Annotated[
        str, typer.Option("--key", envvar="FORETELL_API_KEY", help="The API key.", show_default=False)
    ] = "",
) -> None:
    """Ask a model of a running server."""
    request: dict[str, Any] = {"model": {"name": model}, "data": _data(record or [], file, data, text)}
    if explain:
        request["explain"] = "OCCLUSION"
    payload = Client(url, key).execute(PREDICT, {"input": request})["predict"]
    if payload["errors"]:
        raise CommandError("\n".join(error["message"] for error in payload["errors"]))
    prediction = payload["prediction"]
    if as_json:
        show_json(prediction)
    else:
        _show(prediction)
    if prediction["error"]:
        raise CommandError(f"{prediction['error']['code']}: {prediction['error']['message']}")


def _data(records: list[str], file: str | None, data: str | None, text: str | None) -> Any:
    if sum((bool(records), file is not None, data is not None, text is not None)) != 1:
        raise typer.BadParameter("Give one of --record, --file, --text and --data.")
    if text is not None:
        return {"text": {"prompt": {"text": text}}}
    if data is not None:
        return _parsed(data, "--data")
    if file is None:
        return {"tabular": {"records": [_parsed(record, "--record") for record in records]}}
    return {"tabular": {"records": _records(_read(file), file)}}


def _read(file: str) -> str:
    try:
        return (
            typer.get_text_stream("stdin").read() if file == "-" else Path(file).read_text(encoding="utf-8")
        )
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file}: {error}") from error


def _records(text: str, file: str) -> Any:
    """Reads a JSON array, one JSON object, or JSON Lines."""
    if text.lstrip().startswith("["):
        return _parsed(text, file)
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return [orjson.loads(text)]
    except orjson.JSONDecodeError:
        return [_parsed(line, f"{file}, line {number}") for number, line in enumerate(lines, 1)]


def _parsed(text: str, place: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CommandError(told_broken(error, place)) from error


def _show(prediction: dict[str, Any]) -> None:
    output = prediction["output"] or {}
    if "results" in output:
        _show_results(output["results"])
    elif "tensors" in output:
        columns = ("tensor", "datatype", "shape", "data")
        show_table(
            columns,
            [
                tuple(str(tensor[name]) for name in ("name", "datatype", "shape", "data"))
                for tensor in output["tensors"]
            ],
        )
    elif "text" in output:
        typer.echo(output["text"])
    elif "embeddings" in output:
        show_json(output["embeddings"])
    for number, explained in enumerate((prediction["explanation"] or {"records": []})["records"], 1):
        _show_attributions(number, explained["attributions"])
    _show_summary(prediction)


def _show_results(results: list[dict[str, Any]]) -> None:
    if results[0]["label"] is None:
        show_table(
            ("record", "value"), [(str(n), f"{result['value']:.6g}") for n, result in enumerate(results, 1)]
        )
        return
    labels = [each["label"] for each in results[0]["probabilities"]]
    rows = []
    for number, result in enumerate(results, 1):
        probabilities = {each["label"]: each["probability"] for each in result["probabilities"]}
        rows.append((str(number), result["label"], *(f"{probabilities[label]:.4f}" for label in labels)))
    show_table(("record", "label", *labels), rows)


def _show_attributions(record: int, attributions: list[dict[str, Any]]) -> None:
    rows = [
        (each["feature"], str(each["featureValue"]), f"{each['value']:+.4f}") for each in attributions[:10]
    ]
    show_table((f"why record {record}", "its value", "attribution"), rows)


def _show_summary(prediction: dict[str, Any]) -> None:
    latency = prediction["latency"]
    version = f"{prediction['modelVersion']['model']['name']}/{prediction['modelVersion']['version']}"
    took = f" in {latency['totalMs']:.1f} ms" if latency and latency["totalMs"] is not None else ""
    note(f"{prediction['status']} by {version}{took}, prediction {prediction['id']}")
