"""InputChecker: says everything that is wrong with an input, before anything is spent on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jsonschema_rs

from engine.backends.base import VersionSpec
from engine.backends.tensors import check_tensors
from engine.errors import InvalidInputError, ModelError, PayloadTooLargeError
from engine.flat_records import FlatRecords
from engine.room import Room
from engine.text import TextRequest, check_text, check_texts
from engine.together import raise_together
from engine.values import PredictionData

MAX_RECORDS = 1000
MAX_PROBLEMS = 100
SHORT = 200
DATA = ("input", "data")


class InputChecker:
    """Checks inputs of one version against its task, `inputSchema`, tensor specs and room for a prompt."""

    def __init__(self, spec: VersionSpec, room: Room | None = None) -> None:
        self._spec = spec
        self._room = room
        self._validator: Any = None
        self._flat: FlatRecords | None = None
        if spec.input_schema is not None:
            self._flat = FlatRecords.of(spec.input_schema)
            try:
                self._validator = jsonschema_rs.validator_for(
                    spec.input_schema,
                    offline=True,  # a reference would be fetched, from wherever it points to
                    pattern_options=jsonschema_rs.RegexOptions(),  # linear in the text, for any pattern
                )
            except (jsonschema_rs.ValidationError, ValueError) as error:
                raise ModelError(f"The inputSchema of {spec.name} is not a JSON Schema: {error}") from error

    def check(self, data: PredictionData) -> None:
        """Returns if the version can take the input.

        Raises:
            InvalidInputError: one thing is wrong; `path` leads to it from the mutation's arguments.
            ManyErrors: several things are, at most 100 of them named.
        """
        member = self._spec.task.member
        if data.member != member:
            message = f"{self._spec.name} does {self._spec.task}: give `{member}`, not `{data.member}`."
            raise InvalidInputError(message, path=(*DATA, data.member), constraint=f"member == {member}")
        if member == "tabular":
            self._check_records(data.value["records"])
        elif member == "tensor":
            _raise_all(check_tensors(data.value["tensors"], self._spec.inputs), (*DATA, "tensor", "tensors"))
        elif member == "text":
            _raise_all(check_text(data.value, self._spec), (*DATA, "text"))
            if self._room is not None:
                request = TextRequest.of(data.value, self._spec)
                path = ("prompt", "messages" if request.prompt is None else "text")
                _raise_all(self._room.check(request.flat, path), (*DATA, "text"))
        else:
            _raise_all(check_texts(data.value["texts"]), (*DATA, "embedding", "texts"))

    def _check_records(self, records: Any) -> None:
        path = (*DATA, "tabular", "records")
        if not isinstance(records, list):
            raise InvalidInputError("The records are a JSON array of objects.", path=path, constraint="array")
        if not records:
            raise InvalidInputError("Give at least one record.", path=path, constraint="minItems: 1")
        if len(records) > MAX_RECORDS:
            message = (
                f"{len(records)} records are more than the {MAX_RECORDS} of one prediction: use submitBatch."
            )
            raise PayloadTooLargeError(
                message, path=path, constraint=f"maxItems: {MAX_RECORDS}", received=len(records)
            )
        problems: list[InvalidInputError] = []
        for index, record in enumerate(records):
            if not self._is_valid(record):
                problems += self._problems(record, index)
                if len(problems) >= MAX_PROBLEMS:
                    break
        _raise_all(problems, path)

    def _is_valid(self, record: Any) -> bool:
        if self._flat is not None and self._flat.surely_hold(record):
            return True
        if self._validator is None:
            return isinstance(record, dict)
        return bool(self._validator.is_valid(record))

    def _problems(self, record: Any, index: int) -> list[InvalidInputError]:
        if not isinstance(record, dict):
            message = f"Record {index + 1} is not an object."
            return [InvalidInputError(message, path=(index,), constraint="type", received=_short(record))]
        return [
            problem for error in self._validator.iter_errors(record) for problem in _invalid(error, index)
        ]


def _invalid(error: Any, index: int) -> list[InvalidInputError]:
    """Returns our form of a JSON Schema violation: one for each member that is missing or not known."""
    details = error.kind.as_dict()
    members = [details["property"]] if "property" in details else details.get("unexpected")
    return (
        [_violation(error, index, [member]) for member in members] if members else [_violation(error, index)]
    )


def _violation(error: Any, index: int, member: Sequence[str] = ()) -> InvalidInputError:
    path = [*error.instance_path, *member]
    record = f"Record {index + 1}"  # people count from 1, the path from 0
    where = f"{record}, {'.'.join(map(str, path))}" if path else record
    return InvalidInputError(
        f"{where}: {_short(error.message)}.",
        path=(index, *path),
        constraint=error.kind.name,
        received=_short(error.instance),
    )


def _short(value: Any) -> Any:
    """Returns a value as an error may carry it: no containers, no long texts."""
    if isinstance(value, dict | list):
        return None
    return value[:SHORT] if isinstance(value, str) else value


def _raise_all(problems: Sequence[InvalidInputError], prefix: tuple[str, ...]) -> None:
    placed = [
        type(problem)(
            problem.message,
            path=(*prefix, *(problem.path or ())),
            constraint=problem.constraint,
            received=problem.received,
        )
        for problem in problems[:MAX_PROBLEMS]
    ]
    raise_together(placed)
