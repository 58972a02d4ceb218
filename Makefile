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
SPACE := $(subst ,, )
# VENV as the name of a target: make takes a space after a backslash as a part of the name.
ENV := $(subst $(SPACE),\ ,$(VENV))

# The source files in FOLDERS of pipeline/loops/compiled.py.
LOOPS := $(foreach folder,fingerprint fingerprint_store index loops,$(wildcard pipeline/$(folder)/*.py pipeline/$(folder)/*/*.py))
# The packages that pipeline/warm_up.py imports, directly and indirectly; and pip, since a new pip
# installs the other packages in half the time of the one that comes with Python 3.11.
LOOP_PACKAGES := llvmlite numba numpy pip pybase64 structlog

# Compiles the packages without their tests, on all processors. pip would use one processor.
COMPILE := "$(BIN)/python" -m compileall -qq -j 0 -x 'site-packages/.*/tests?/' "$(VENV)/lib"
# uv is used where it is installed. UV= selects pip.
ifneq ($(and $(UV),$(shell command -v "$(UV)" 2>/dev/null)),)
INSTALLER := uv
ENVIRONMENT := $(ENV)/bin/activate
CREATE = "$(UV)" venv --quiet --allow-existing --python "$$(command -v "$(PYTHON)")" "$(VENV)"
INSTALL := "$(UV)" pip install --quiet --python "$(BIN)/python"
REPLACE := --reinstall
else
INSTALLER := pip
# venv installs pip last, so an environment with pip is complete.
ENVIRONMENT := $(ENV)/bin/pip
CREATE = "$(PYTHON)" -m venv "$(VENV)"
INSTALL := "$(BIN)/python" -m pip install --quiet --disable-pip-version-check --no-input --no-compile
REPLACE := --ignore-installed
endif
# Installs the loop packages of a lock file (1), or all others (0). The lock files contain every
# dependency, so that the installer needs to look for no others. An interrupted one leaves packages
# that look installed, so the next one replaces all.
PARTIAL := "$(VENV)/.partly-installed"
define FROM_LOCK
@awk -v names="$(LOOP_PACKAGES)" -v part=$(1) ' \
		BEGIN {split(names, list); for (each in list) loop[list[each]]} \
		/^[a-z]/ {is_loop = substr($$0, 1, index($$0, "==") - 1) in loop} \
		is_loop == part' $(2) > "$@.lock"
@replace=; test ! -e $(PARTIAL) || replace=$(REPLACE); touch $(PARTIAL); \
		$(INSTALL) $$replace --no-deps --require-hashes -r "$@.lock" && rm $(PARTIAL)
endef

.PHONY: help install install-dev installed installed-dev run test test-system bench bench-index check format wheel secrets lock clean

help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The loops are compiled while packages are installed.
install: ## Create .venv with the packages of requirements.lock
	@$(MAKE) --no-print-directory --jobs=2 installed

install-dev: ## Create .venv with the tools for tests and checks, too
	@$(MAKE) --no-print-directory --jobs=2 installed-dev

installed: $(ENV)/.installed $(ENV)/.compiled

installed-dev: $(ENV)/.installed-dev $(ENV)/.compiled

run: install ## Run the whole service until Ctrl-C (ARGS="--port 5001" for options)
	@exec "$(BIN)/acoustid" up --data-dir "$(DATA)" $(ARGS)

test: install-dev ## Run all tests that need only .venv (ARGS="-k lookup", TESTERS=1)
	"$(BIN)/python" -m pytest -n $(TESTERS) --dist loadfile $(ARGS)

test-system: install-dev ## Run the tests that need root or Debian packages (root installs these)
	@"$(BIN)/python" -m tests.system.packages
	"$(BIN)/python" -m pytest -n $(TESTERS) --dist loadfile tests/system $(ARGS)

bench: install ## Measure lookups on a new stack (BENCH=submit, BENCH=stages; ARGS for options)
	@"$(BIN)/acoustid" bench $(BENCH) $(ARGS)

bench-index: install ## Measure the index without a stack (ARGS="--documents 1000000")
	@"$(BIN)/acoustid" bench index $(ARGS)

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

# Only the directory has mode 700, since the containers read the files as other users.
secrets: ## Create missing passwords for docker compose
	@mkdir -p .acoustid && mkdir -p -m 700 .acoustid/secrets
	@for name in database_password redis_password cluster_secret flower_password; do \
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

# venv cannot be imported everywhere: Debian has it in a package of its own. uv does not need it.
$(ENVIRONMENT):
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "Python 3.11 to 3.14 is needed, but $(PYTHON) is not on the PATH."; \
		echo "Install it, or run: make PYTHON=/path/to/python3.11"; exit 1; } >&2
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { \
		echo "Python 3.11 to 3.14 is needed, but $(PYTHON) is $$("$(PYTHON)" -V 2>&1)."; \
		echo "Give another one: make PYTHON=/path/to/python3.11"; exit 1; } >&2
	@test $(INSTALLER) = uv || "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot create virtual environments. On Debian and Ubuntu, run:"; \
		echo "  apt install python3-venv"; exit 1; } >&2
	@echo "Creating $(VENV) with $(INSTALLER)"
	@$(CREATE)

$(ENV)/.loop-packages: requirements.lock Makefile | $(ENVIRONMENT)
	@echo "Installing NumPy and Numba (80 MB)"
	$(call FROM_LOCK,1,requirements.lock)
	@touch "$@"

# Without byte code, the processes of the first start would all compile the same modules. setuptools
# warns of folders in the working directory, which are those of this project.
$(ENV)/.installed: requirements.lock pyproject.toml | $(ENV)/.loop-packages
	@echo "Installing all other packages (50 MB)"
	$(call FROM_LOCK,0,requirements.lock)
	@PYTHONWARNINGS=ignore $(INSTALL) --no-deps --no-build-isolation -e .
	@echo "Compiling the packages to byte code"
	@$(COMPILE) api bench cli http_server index_server pipeline tasks || true
	@touch "$@"

# Otherwise the first start compiles the loops.
$(ENV)/.compiled: $(ENV)/.loop-packages $(LOOPS)
	@echo "Compiling the loops to machine code (up to a minute)"
	@"$(BIN)/python" -m pipeline.warm_up
	@touch "$@"

$(ENV)/.installed-dev: requirements-dev.lock $(ENV)/.installed
	@echo "Installing the tools for tests and checks"
	$(call FROM_LOCK,0,requirements-dev.lock)
	@$(COMPILE) || true
	@touch "$@"
