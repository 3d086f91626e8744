# The commands of the project: `make help` lists them. What they need is built into .venv from pinned, hashed files.
#
#   PYTHON   the interpreter that builds .venv (python3; 3.11 or newer)
#   MINUTES  how long `make soak` goes on (10)
#   WORKERS  how many tests of `make test` run side by side (3; much of their time is waiting, so two cores carry them)
#   ARGS     passed on to the command, e.g. make demo ARGS="--orders 50 --json"

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input
LAYERS := service handlers sagas contracts
ARGS   ?=
MINUTES ?= 10
WORKERS ?= 3

RUNTIME_READY := $(VENV)/.runtime-ready
DEV_READY     := $(VENV)/.dev-ready
SOAK_READY    := $(VENV)/.soak-ready

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-strip-extras --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo setup test check soak lint typecheck format bench lock clean

help:  ## List the commands
	@echo "make COMMAND [PYTHON=python3.13] [ARGS=\"...\"]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUNTIME_READY)  ## Run 200 orders on the embedded broker and show what happens
	@$(BIN)/saga demo $(ARGS)

setup: $(DEV_READY)  ## Build .venv with everything that the commands below need

# Hundreds of processes would compile everything for themselves.
test check: export PYTHONDONTWRITEBYTECODE =

test: lint typecheck  ## Check everything: lint, types, layers and all tests (real Kafka by Java and Maven, PostgreSQL)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder $(ARGS)

check: lint  ## Check the fast part, about a minute: lint, layers, unit and property tests
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not kafka and not postgres and not slow" $(ARGS)

soak: $(SOAK_READY)  ## Look for faults with random seeds for MINUTES=10, and write soak-report.md (real Kafka, atheris)
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(ARGS)

lint: $(DEV_READY)  ## Check style, format and import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

typecheck: $(DEV_READY)  ## Check types (mypy --strict)
	$(BIN)/mypy -p saga_coordinator -p tests

format: $(DEV_READY)  ## Format the code and apply the safe fixes
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(DEV_READY)  ## Measure transitions, throughput and latency (ARGS="--help", "--only intake", "--against PATH")
	@$(BIN)/python -m tests.bench $(ARGS)

# uv keeps the versions that the files already hold; delete a file or pass ARGS=--upgrade for newer ones.
lock: $(DEV_READY)  ## Pin the dependencies of pyproject.toml (ARGS=--upgrade for newer versions)
	$(LOCK) $(ARGS) pyproject.toml --extra demo -o requirements/runtime.txt
	$(LOCK) $(ARGS) pyproject.toml --extra demo --group dev -c requirements/runtime.txt -o requirements/dev.txt
	$(LOCK) $(ARGS) --group build -c requirements/dev.txt -o requirements/build.txt
	$(LOCK) $(ARGS) --group soak -c requirements/dev.txt -o requirements/soak.txt

clean:  ## Remove .venv and everything that was generated
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov build dist .soak soak-report.md
	find $(LAYERS) tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "make: there is no '$(PYTHON)'. Install Python 3.11 or newer (Debian: apt-get install python3 python3-venv;" \
	    "macOS: brew install python), or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1); Python 3.11 or newer is needed." \
	    "Name one: make PYTHON=python3.13" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "make: '$(PYTHON)' cannot make virtual environments (venv or ensurepip is missing)." \
	    "Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV)


$(RUNTIME_READY): requirements/runtime.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@echo "Installing the pinned dependencies into $(VENV) (the first time takes about a minute) ..."
	@$(PIP) install --quiet --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_READY): requirements/dev.txt $(RUNTIME_READY)
	@echo "Installing the development tools into $(VENV) ..."
	@$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

$(SOAK_READY): requirements/soak.txt $(DEV_READY)
	@$(PIP) install --quiet --require-hashes -r requirements/soak.txt
	@touch $@
