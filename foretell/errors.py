"""What can go wrong around the service, in its command line and at its start."""

from __future__ import annotations

from typing import ClassVar


class OperatorError(Exception):
    """Something that who runs the command can mend. The message has one line for each problem."""

    exit_code: ClassVar[int] = 1
