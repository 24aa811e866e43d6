"""What a command does when it can not do its work: a line on stderr for each problem, and an exit code.

1  it could not be done
2  the command or a setting is wrong
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from db.errors import DatabaseError
from engine.errors import ForetellError
from foretell.errors import OperatorError


class CommandError(OperatorError):
    """The command could not be done."""


@contextmanager
def told() -> Iterator[None]:
    """Tells of expected failures in a line, and exits; what nobody expected keeps its traceback.

    Raises:
        typer.Exit: with the exit code.
    """
    try:
        yield
    except OperatorError as error:
        _fail(error, error.exit_code)
    except DatabaseError as error:  # its other lines are SQL
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        _fail(f"The database of FORETELL_DATABASE_URL does not answer: {reason}", 1)
    except ForetellError as error:
        _fail(error, 1)


def _fail(problem: Exception | str, code: int) -> NoReturn:
    for line in str(problem).splitlines():
        typer.secho(f"Error: {line}", fg=typer.colors.RED, err=True)
    raise typer.Exit(code)
