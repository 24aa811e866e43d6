"""`python -m foretell` is `foretell`."""

from foretell.cli import app

app(prog_name="foretell")
