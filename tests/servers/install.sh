#!/bin/sh
# Installs the model servers of others that tests talk to, each into an environment of its own under
# .venv-peers. Tests that need one are skipped by name where it is missing; with FORETELL_TEST_PEERS=1,
# which says that this script has run, they fail instead. `litellm.txt` is compiled from `litellm.in` by
#   uv pip compile litellm.in -o litellm.txt --universal --python-version 3.11 --generate-hashes \
#     --no-header --no-annotate --no-emit-index-url --no-emit-find-links
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
peer=.venv-peers/litellm
test -x "$peer/bin/python" || "$python" -m venv "$peer"
uv=$(command -v .venv/bin/uv || command -v uv || true)
if test -n "$uv"; then
  "$uv" pip install --quiet --python "$peer/bin/python" --require-hashes -r tests/servers/litellm.txt
else
  "$peer/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/servers/litellm.txt
fi
