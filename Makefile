# One-line help stands after `##`; `make` alone prints it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
# Tests start mlimage some thousand times: without its bytecode each start takes twice as long.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
BIN := .venv/bin
READY := .venv/.ready
SOURCES := builder templates images tests
PYTEST := $(BIN)/python -m pytest

help: ## Print this help
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-13s %s\n", $$1, $$2 }'

setup: $(READY) ## Make .venv with mlimage (editable) and all development tools, locked by hash

$(READY): builder/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo 'error: mlimage needs Python 3.11 or newer, and `$(PYTHON)` is not' >&2; \
	    echo 'hint: install it (Debian 12: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo 'error: `$(PYTHON)` cannot make virtual environments: its module `ensurepip` is missing' >&2; \
	    echo 'hint: apt-get install python3-venv' >&2; exit 1; }
	@echo 'set up .venv (once; about a minute)' >&2
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf .venv && $(PYTHON) -m venv .venv; }
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps --no-compile -r builder/requirements.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

check: lint ## Format, lint, types and unit tests, in seconds
	$(PYTEST) -q -n auto tests/unit

lint: $(READY) ## Format, lint and types
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy

format: $(READY) ## Format the code and fix what ruff can fix
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

test: $(READY) ## All tests that this machine can hold; says what was left out (MLIMAGE_TEST_ALL=1: nothing may be)
	@$(PYTEST) --fitting -n auto --dist worksteal tests

test-heavy: $(READY) ## The tests that `make test` leaves out: large images, built with Docker
	@$(PYTEST) --fitting -n auto -m heavy tests

demo: $(READY) ## Lock, build, train, serve and ask for a prediction (IMAGE=digits-jax, …-pytorch, …-tensorflow)
	@$(BIN)/python tests/demo.py $(IMAGE)

bench: $(READY) ## Measure (PART=lock: that alone; builds need make engine-up first); writes docs/bench.*
	@[[ ! -f .engine/environment ]] || . .engine/environment; PYTHONPATH=tests $(BIN)/python -m bench $(PART)

golden: $(READY) ## Write the golden files anew; look at the difference before you commit it
	$(PYTEST) -q --rewrite-golden tests/golden

generate: $(READY) ## Write generated files anew: docs/spec.md, the JSON Schema of mlimage.yaml, the Dockerfiles
	$(BIN)/python -m mlimage.spec.schema docs
	$(BIN)/mlimage render

requirements: $(READY) ## Lock the development tools anew (builder/requirements.txt)
	@{ echo '# Development and CI dependencies, every file locked by hash.'; echo '# Regenerate: make requirements'; \
	    $(BIN)/uv pip compile -q --no-config --python-version 3.11 --generate-hashes --no-header \
	        --group dev pyproject.toml; } > builder/.requirements.new
	@mv builder/.requirements.new builder/requirements.txt

engine-up: ## Start private container engines and a registry for the tests (Debian, root)
	@.ci/engine up

engine-down: ## End these, and nothing else
	@.ci/engine down

clean: ## Delete what can be made again, .venv and the engine's packages included
	@[[ ! -d .engine ]] || .ci/engine down
	rm -rf .venv .engine dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find $(SOURCES) -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help setup check lint format test test-heavy demo bench golden generate requirements engine-up engine-down clean
