"""What a command does when it can not do its work: a line on stderr for each problem, and an exit code.

1  it could not be done
2  the command or a setting is wrong
"""

from __future__ import annotations

from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from db.errors import DatabaseError
from engine.definitions import DefinitionError
from engine.errors import ForetellError
from foretell.client import ClientError
from foretell.configuration import SettingsError
from foretell.listening import PortError


class CommandError(Exception):
    """The command could not be done. The message has one line for each problem."""


class Commands(TyperGroup):
    """Commands whose expected failures are one line; what nobody expected keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            _fail(error, 2)
        except DatabaseError as error:  # its other lines are SQL
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            _fail(f"The database of FORETELL_DATABASE_URL does not answer: {reason}", 1)
        except (ClientError, CommandError, DefinitionError, ForetellError, PortError) as error:
            _fail(error, 1)


def _fail(problem: Exception | str, code: int) -> NoReturn:
    for line in str(problem).splitlines():
        typer.secho(f"Error: {line}", fg=typer.colors.RED, err=True)
    raise typer.Exit(code)
