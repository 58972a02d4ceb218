# Commands for development. `make` without arguments prints them.

SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
DATA ?= .acoustid
UV ?= uv
ARGS ?=
TESTERS ?= 2
BENCH ?= lookup

BIN := $(VENV)/bin
# In the folders that FOLDERS of pipeline/loops/compiled.py names.
LOOPS := $(foreach folder,fingerprint fingerprint_store index loops,$(wildcard pipeline/$(folder)/*.py pipeline/$(folder)/*/*.py))
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input

.PHONY: help install install-dev run test test-system bench bench-index check format secrets lock clean

help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.compiled ## Create .venv with the packages of requirements.lock

install-dev: $(VENV)/.installed-dev $(VENV)/.compiled ## The same, with the tools for tests and checks

run: install ## Run the whole service until Ctrl-C (ARGS="--port 5001" for options)
	@exec $(BIN)/acoustid up --data-dir $(DATA) $(ARGS)

test: install-dev ## Run all tests that need no more than .venv (ARGS="-k lookup", TESTERS=1)
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile $(ARGS)

test-system: install-dev ## Run the tests that need Debian packages or root; as root, install them
	@$(BIN)/python -m tests.system.packages
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile tests/system $(ARGS)

bench: install ## Measure lookups on a stack of its own (BENCH=submit, BENCH=stages; ARGS for options)
	@$(BIN)/acoustid bench $(BENCH) $(ARGS)

bench-index: install ## Measure the index alone (ARGS="--documents 1000000" and more)
	@$(BIN)/acoustid bench index $(ARGS)

check: install-dev ## Check lint, format, types and permitted imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev ## Let ruff fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Mode 700 for the directory only: the containers read the files as other users.
secrets: ## Create the passwords that docker compose reads, if they are missing
	@mkdir -p .acoustid && mkdir -p -m 700 .acoustid/secrets
	@for name in database_password redis_password cluster_secret flower_password; do \
		test -s .acoustid/secrets/$$name || \
		(umask 022; $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(24))' \
			> .acoustid/secrets/$$name) || exit 1; \
	done
	@echo "They are in .acoustid/secrets."

lock: ## Resolve the dependencies again (needs uv)
	$(UV) pip compile --universal --generate-hashes --custom-compile-command "make lock" \
		pyproject.toml -o requirements.lock
	$(UV) pip compile --universal --generate-hashes --custom-compile-command "make lock" \
		--extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## Delete .venv and caches; never the data
	rm -rf $(VENV) build dist *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# venv installs pip last, so an environment with pip is complete.
$(VENV)/bin/pip:
	@command -v $(PYTHON) >/dev/null || { \
		echo "Python 3.11 to 3.14 is needed, and there is no $(PYTHON) on the PATH."; \
		echo "Install it, or say: make PYTHON=/path/to/python3.11"; exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { \
		echo "Python 3.11 to 3.14 is needed, and $(PYTHON) is $$($(PYTHON) -V 2>&1)."; \
		echo "Name another one: make PYTHON=/path/to/python3.11"; exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: on Debian and Ubuntu that takes"; \
		echo "  apt install python3-venv"; exit 1; } >&2
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/pip
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# Compiles the loops. Otherwise all workers would compile them at their next start.
$(VENV)/.compiled: $(VENV)/.installed $(LOOPS)
	$(BIN)/python -m pipeline.warm_up
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@
