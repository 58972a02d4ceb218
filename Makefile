# Commands for development. `make` without arguments lists them.

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
# The source files in FOLDERS of pipeline/loops/compiled.py.
LOOPS := $(foreach folder,fingerprint fingerprint_store index loops,$(wildcard pipeline/$(folder)/*.py pipeline/$(folder)/*/*.py))
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input

.PHONY: help install install-dev run test test-system bench bench-index check format secrets lock clean

help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.compiled ## Create .venv with the packages of requirements.lock

install-dev: $(VENV)/.installed-dev $(VENV)/.compiled ## Create .venv with the tools for tests and checks, too

run: install ## Run the whole service until Ctrl-C (ARGS="--port 5001" for options)
	@exec $(BIN)/acoustid up --data-dir $(DATA) $(ARGS)

test: install-dev ## Run all tests that need only .venv (ARGS="-k lookup", TESTERS=1)
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile $(ARGS)

test-system: install-dev ## Run the tests that need root or Debian packages (root installs these)
	@$(BIN)/python -m tests.system.packages
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile tests/system $(ARGS)

bench: install ## Measure lookups on a new stack (BENCH=submit, BENCH=stages; ARGS for options)
	@$(BIN)/acoustid bench $(BENCH) $(ARGS)

bench-index: install ## Measure the index without a stack (ARGS="--documents 1000000")
	@$(BIN)/acoustid bench index $(ARGS)

check: install-dev ## Check lint, format, types and permitted imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev ## Format the code and apply ruff's automatic fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Only the directory has mode 700, since the containers read the files as other users.
secrets: ## Create missing passwords for docker compose
	@mkdir -p .acoustid && mkdir -p -m 700 .acoustid/secrets
	@for name in database_password redis_password cluster_secret flower_password; do \
		test -s .acoustid/secrets/$$name || \
		(umask 022; $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(24))' \
			> .acoustid/secrets/$$name) || exit 1; \
	done
	@echo "The passwords are in .acoustid/secrets."

lock: ## Update the lock files (needs uv)
	$(UV) pip compile --universal --generate-hashes --custom-compile-command "make lock" \
		pyproject.toml -o requirements.lock
	$(UV) pip compile --universal --generate-hashes --custom-compile-command "make lock" \
		--extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## Delete .venv and caches, but no data
	rm -rf $(VENV) build dist *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# venv installs pip last, so an environment with pip is complete.
$(VENV)/bin/pip:
	@command -v $(PYTHON) >/dev/null || { \
		echo "Python 3.11 to 3.14 is needed, but $(PYTHON) is not on the PATH."; \
		echo "Install it, or run: make PYTHON=/path/to/python3.11"; exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { \
		echo "Python 3.11 to 3.14 is needed, but $(PYTHON) is $$($(PYTHON) -V 2>&1)."; \
		echo "Give another one: make PYTHON=/path/to/python3.11"; exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot create virtual environments. On Debian and Ubuntu, run:"; \
		echo "  apt install python3-venv"; exit 1; } >&2
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/pip
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# Compile the loops. Otherwise each worker compiles them at its next start.
$(VENV)/.compiled: $(VENV)/.installed $(LOOPS)
	$(BIN)/python -m pipeline.warm_up
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@
