# Commands for development. `make` without arguments lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
DATA ?= .acoustid
UV ?= uv
ARGS ?=
TESTERS ?= 3
BENCH ?= lookup

BIN := $(VENV)/bin
SPACE := $(subst ,, )
# VENV as the name of a target: make takes a space after a backslash as a part of the name.
ENV := $(subst $(SPACE),\ ,$(VENV))

# The source files in FOLDERS of pipeline/loops/compiled.py.
LOOPS := $(foreach folder,excerpts fingerprint fingerprint_store index loops,$(wildcard pipeline/$(folder)/*.py pipeline/$(folder)/*/*.py))
# The packages that pipeline/warm_up.py imports, directly and indirectly.
LOOP_PACKAGES := llvmlite numba numpy pybase64 structlog

# uv is used where it is installed. UV= selects pip.
ifneq ($(and $(UV),$(shell command -v "$(UV)" 2>/dev/null)),)
INSTALLER := uv
CREATE = "$(UV)" venv --quiet --allow-existing --python "$$(command -v "$(PYTHON)")" "$(VENV)"
INSTALL := "$(UV)" pip install --quiet --python "$(BIN)/python"
else
INSTALLER := pip
CREATE = "$(PYTHON)" -m venv "$(VENV)"
INSTALL := "$(BIN)/python" -m pip install --quiet --disable-pip-version-check --no-input --no-compile
endif
# The lock files contain every dependency.
INSTALL_LOCK := $(INSTALL) --no-deps --require-hashes -r
# Prints the entries of some packages (1) in requirements.lock.
ENTRIES = awk -F == -v names=" $(1) " '/^[a-z]/ {found = index(names, " " $$1 " ")} found' requirements.lock
# Compiles the packages without their tests, on all processors. pip would use one processor.
COMPILE := "$(BIN)/python" -m compileall -qq -j 0 -x 'site-packages/.*/tests?/' "$(VENV)/lib"

# This file exists while packages are installed. An interrupted installer leaves packages that look
# complete, so the next `make` removes the environment and creates it again.
UNFINISHED := $(VENV)/.partly-installed
# The loops are compiled while packages are installed. `make -j4` gives its own number of jobs.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,--jobs=2)

.PHONY: help install install-dev run test test-system torture bench bench-index evaluate check format wheel audit secrets lock clean

help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## Create .venv with the packages of requirements.lock
	@test ! -e "$(UNFINISHED)" || { \
		echo "Removing the contents of $(VENV): the last installation was not completed"; \
		find "$(VENV)/" -mindepth 1 ! -name "$(notdir $(UNFINISHED))" -delete; }
	@$(MAKE) --silent $(JOBS) $(ENV)/.installed $(ENV)/.compiled

install-dev: install ## Create .venv with the tools for tests and checks, too
	@$(MAKE) --silent $(ENV)/.installed-dev

run: install ## Run the whole service until Ctrl-C (ARGS="--port 5001" for options)
	@exec "$(BIN)/acoustid" up --data-dir "$(DATA)" $(ARGS)

# pytest compiles tests anew in each process, unless it may keep them. A container can forbid this.
test test-system torture: export PYTHONDONTWRITEBYTECODE :=

test: install-dev ## Run all tests that need only .venv (ARGS="-k lookup", TESTERS=1)
	"$(BIN)/python" -m pytest -n $(TESTERS) --dist loadfile $(ARGS)

test-system: install-dev ## Run the tests that need root or Debian packages (root installs these)
	@"$(BIN)/python" -m tests.system.packages
	"$(BIN)/python" -m pytest -n $(TESTERS) --dist loadfile tests/system $(ARGS)

torture: install-dev ## Run random faults on new stacks (ARGS="--seed 1 --faults 300 --stacks 3", ARGS="fuzz")
	@"$(BIN)/python" -m tests.faults.torture.run $(ARGS)

bench: install ## Measure lookups on a new stack (BENCH=submit, nats, stages; ARGS for options)
	@"$(BIN)/acoustid" bench $(BENCH) $(ARGS)

bench-index: install ## Measure the index without a stack (ARGS="--documents 1000000")
	@"$(BIN)/acoustid" bench index $(ARGS)

# `--write` draws charts: the packages of the extra `bench` are installed for it.
evaluate: install ## Measure recall and false matches on real recordings (ARGS="--distractors 100000")
	@$(if $(findstring --write,$(ARGS)),$(INSTALL) --no-build-isolation -e ".[bench]")
	@"$(BIN)/acoustid" evaluate $(ARGS)

check: install-dev ## Check lint, format, types and permitted imports
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy"
	"$(BIN)/lint-imports"

format: install-dev ## Format the code and apply ruff's automatic fixes
	"$(BIN)/ruff" check --fix .
	"$(BIN)/ruff" format .

wheel: install-dev ## Build a wheel and a source distribution in dist
	"$(BIN)/python" -m build --no-isolation --outdir dist .

# Exit status 1: a package is vulnerable. 2: nothing was compared. `make` itself ends with 2 for both.
audit: ## Compare the packages of the lock files with known vulnerabilities (needs pip-audit)
	@"$(PYTHON)" .ci/audit.py

# Only the directory has mode 700, since the containers read the files as other users.
secrets: ## Create missing passwords for docker compose
	@mkdir -p .acoustid .acoustid/secrets && chmod 700 .acoustid/secrets
	@for name in database_owner_password database_password redis_password cluster_secret flower_password nats_token; do \
		test -s .acoustid/secrets/$$name || \
		(umask 022; "$(PYTHON)" -c 'import secrets; print(secrets.token_urlsafe(24))' \
			> .acoustid/secrets/$$name) || exit 1; \
	done
	@echo "The passwords are in .acoustid/secrets."

lock: ## Update the lock files (needs uv)
	$(UV) pip compile --universal --generate-hashes --custom-compile-command "make lock" \
		--group build pyproject.toml -o requirements.lock
	$(UV) pip compile --universal --generate-hashes --custom-compile-command "make lock" \
		--group build --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## Delete .venv and caches, but no data
	rm -rf "$(VENV)" build dist *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian has venv in a package of its own. uv does not need it.
$(ENV)/pyvenv.cfg:
	@test "$$("$(PYTHON)" -c 'import sys; print((3, 11) <= sys.version_info < (3, 15))' 2>&1)" = True || { \
		found="$$("$(PYTHON)" -V 2>&1 | head -n 1)"; \
		case "$$found" in "Python "*) found="is $$found";; *) found="does not run";; esac; \
		echo "Python 3.11 to 3.14 is needed, but $(PYTHON) $$found."; \
		echo "Install it, or give another one: make PYTHON=/path/to/python3.11"; exit 1; } >&2
	@test $(INSTALLER) = uv || "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot create virtual environments. On Debian and Ubuntu, run:"; \
		echo "  apt install python3-venv"; exit 1; } >&2
	@mkdir -p "$(VENV)"
	@test -e "$(UNFINISHED)" || test -z "$$(ls -A "$(VENV)")" || { \
		echo "$(VENV) contains other files. Give a new directory: make VENV=/path/to/environment"; \
		exit 1; } >&2
	@echo "Creating $(VENV) with $(INSTALLER)"
	@touch "$(UNFINISHED)"
	@$(CREATE)

# A new pip installs the other packages in half the time of the one that comes with Python 3.11.
$(ENV)/.loop-packages: requirements.lock | $(ENV)/pyvenv.cfg
	@echo "Installing NumPy and Numba (80 MB)"
	@touch "$(UNFINISHED)"
	@$(call ENTRIES,pip) | $(INSTALL_LOCK) /dev/stdin
	@$(call ENTRIES,$(LOOP_PACKAGES)) | $(INSTALL_LOCK) /dev/stdin
	@touch "$@"

# Without byte code, the processes of the first start would all compile the same modules. setuptools
# warns of folders in the working directory, which are those of this project.
$(ENV)/.installed: requirements.lock pyproject.toml $(ENV)/.loop-packages
	@echo "Installing all other packages (50 MB)"
	@touch "$(UNFINISHED)"
	@$(INSTALL_LOCK) requirements.lock
	@PYTHONWARNINGS=ignore $(INSTALL) --no-deps --no-build-isolation -e .
	@rm "$(UNFINISHED)"
	@echo "Compiling the packages to byte code"
	@$(COMPILE) api bench cli http_server index_server nats_bridge pipeline tasks || true
	@touch "$@"

# Otherwise the first start compiles the loops.
$(ENV)/.compiled: $(ENV)/.loop-packages $(LOOPS)
	@echo "Compiling the loops to machine code (up to a minute)"
	@"$(BIN)/python" -m pipeline.warm_up
	@touch "$@"

$(ENV)/.installed-dev: requirements-dev.lock $(ENV)/.installed
	@echo "Installing the tools for tests and checks"
	@touch "$(UNFINISHED)"
	@$(INSTALL_LOCK) requirements-dev.lock
	@rm "$(UNFINISHED)"
	@$(COMPILE) || true
	@touch "$@"
