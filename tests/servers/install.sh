#!/bin/sh
# Installs the model servers of others that tests talk to, each into an environment of its own under
# .venv-peers. Tests that need one are skipped by name where it is missing; with FORETELL_TEST_PEERS=1,
# which says that this script has run, they fail instead. `NAME.txt` is compiled from `NAME.in` by
#   uv pip compile NAME.in -o NAME.txt --universal --python-version 3.11 --generate-hashes \
#     --no-header --no-annotate --no-emit-index-url --no-emit-find-links
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
uv=$(command -v .venv/bin/uv || command -v uv || true)
for name in litellm mlserver; do
  peer=.venv-peers/$name
  lock=tests/servers/$name.txt
  test -x "$peer/bin/python" || "$python" -m venv "$peer"
  if test -n "$uv"; then
    "$uv" pip install --quiet --python "$peer/bin/python" --require-hashes -r "$lock"
  else
    "$peer/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
  fi
done
