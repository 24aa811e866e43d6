# Foretell's tasks. `make` lists them. Nothing is needed but Python >= 3.11; everything else lands in .venv.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test check schema bench format lock protocol clean

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# The first of these that runs and is new enough; `make PYTHON=… serve` names another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/run.stamp ## Serve on 127.0.0.1:8000; ARGS="--port 9000" for more
	@$(BIN)/foretell serve $(ARGS)

test: $(VENV)/dev.stamp ## Run the tests; ARGS="tests/db -x" for some of them
	@$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/dev.stamp ## Lint, types, import contracts, the schema and its promises, locks
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/foretell schema --check
	$(UV) pip check --python $(BIN)/python --quiet

schema: $(VENV)/dev.stamp ## Write schema.graphql and docs/schema.md
	@$(BIN)/foretell schema --write

bench: $(VENV)/dev.stamp ## Run the benchmarks, write RESULTS.md; ARGS="requests" for some of them
	@$(BIN)/python -m benchmarks $(ARGS)

format: $(VENV)/dev.stamp ## Format the code and fix what the linter can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

# Hashes for every platform, no registry hosts: the locks hold wherever packages come from.
COMPILE = $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet \
	--no-emit-index-url --no-emit-find-links
EXTRAS := --extra cluster --extra grpc --extra otel
lock: $(VENV)/build.stamp ## Compile requirements/*.txt from pyproject.toml; ARGS=--upgrade for new versions
	$(COMPILE) --group pyproject.toml:build -o requirements/build.txt $(ARGS)
	$(COMPILE) pyproject.toml $(EXTRAS) -c requirements/build.txt -o requirements/run.txt $(ARGS)
	$(COMPILE) pyproject.toml $(EXTRAS) --group dev -c requirements/build.txt -c requirements/run.txt \
		-o requirements/dev.txt $(ARGS)

protocol: $(VENV)/dev.stamp ## Write the Python of .proto files after a change of them
	@for file in engine/backends/*/*.proto engine/backends/*/*/*.proto; do folder=$$(dirname $$file); \
		$(BIN)/python -m grpc_tools.protoc -I $$folder --python_out=$$folder --pyi_out=$$folder $$file || exit; done

clean: ## Remove .venv and every cache; databases stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name node_modules -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp stands for an installation and is older than the lock it came from when that changes.
# uv takes 3 seconds where pip takes 60; pip is tried where uv can not reach what pip.conf points at.
INSTALL = install () { $(UV) pip install --quiet --python $(BIN)/python "$$@" \
	|| $(BIN)/python -m pip install --quiet --disable-pip-version-check "$$@"; }; install

$(VENV)/build.stamp: requirements/build.txt
	@test -n "$(PYTHON)" || { echo 'Foretell needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 …' >&2; exit 1; }
	@test -x $(BIN)/python || { echo 'Making $(VENV) …'; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/run.stamp: requirements/run.txt pyproject.toml $(VENV)/build.stamp
	@echo 'Installing what Foretell runs on …'
	@$(INSTALL) --require-hashes -r $<
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@echo 'Installing what Foretell is developed with …'
	@$(INSTALL) --require-hashes -r $<
	@touch $@
