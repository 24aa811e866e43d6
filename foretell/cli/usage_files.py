"""The files that `foretell usage export` writes, a page of rows at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from engine.usage.export import COLUMNS, Row
from foretell.cli.failures import CommandError

Write = Callable[[Sequence[Row]], None]

AMOUNT_DIGITS, AMOUNT_DECIMALS = 38, 9


class ExportFormat(StrEnum):
    """What a ledger can be written as."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


@contextmanager
def writing(format: ExportFormat, target: BinaryIO) -> Iterator[Write]:
    """Lends what writes rows to a file, which is whole when the context ends.

    Raises:
        CommandError: Parquet needs a package that is not installed.
    """
    makers: Mapping[ExportFormat, Callable[[BinaryIO], AbstractContextManager[Write]]] = {
        ExportFormat.CSV: lambda file: nullcontext(_csv(file)),
        ExportFormat.JSONL: lambda file: nullcontext(_jsonl(file)),
        ExportFormat.PARQUET: _parquet,
    }
    with makers[format](target) as write:
        yield write


@contextmanager
def opened(path: Path | None, stdout: BinaryIO) -> Iterator[BinaryIO]:
    """Lends a file to write to, or stdout where no path is given."""
    if path is None:
        yield stdout
        stdout.flush()
        return
    try:
        file = path.open("wb")
    except OSError as error:
        raise CommandError(f"{path} can not be written: {error.strerror}") from error
    with file:
        yield file


def _csv(target: BinaryIO) -> Write:
    def write(rows: Sequence[Row]) -> None:
        text = io.StringIO(newline="")
        csv.DictWriter(text, COLUMNS).writerows({name: _plain(row[name]) for name in COLUMNS} for row in rows)
        target.write(text.getvalue().encode())

    target.write((",".join(COLUMNS) + "\r\n").encode())
    return write


def _jsonl(target: BinaryIO) -> Write:
    def write(rows: Sequence[Row]) -> None:
        lines = ({name: _plain(value) for name, value in row.items()} for row in rows)
        target.writelines(orjson.dumps(line) + b"\n" for line in lines)

    return write


@contextmanager
def _parquet(target: BinaryIO) -> Iterator[Write]:
    try:
        import pyarrow as pa  # noqa: PLC0415  # an optional extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise CommandError("Parquet needs pyarrow: pip install 'foretell[parquet]'.") from error
    types = {
        str: pa.string(),
        datetime: pa.timestamp("ms", tz="UTC"),
        bool: pa.bool_(),
        int: pa.int64(),
        Decimal: pa.decimal128(AMOUNT_DIGITS, AMOUNT_DECIMALS),
        float: pa.float64(),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    with parquet.ParquetWriter(target, schema, compression="zstd") as writer:

        def write(rows: Sequence[Row]) -> None:
            writer.write_table(pa.Table.from_pylist(list(rows), schema))

        yield write


def _plain(value: Any) -> Any:
    """Returns a value as text where JSON and CSV have no type for it: amounts keep every digit."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return format(value, "f") if isinstance(value, Decimal) else value
