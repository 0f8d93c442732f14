# The two commands are `make demo` and `make test`; everything else helps them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes
PORT ?= 8000
ONCE ?=
SMALL ?=
T ?=

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo up test test-all chaos check format messages lock bench self-check clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements.lock
	@echo "Installing Countmein into $(VENV) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "Installing what the tests need …"
	@$(PIP) -r requirements-dev.lock
	@touch $@

install: $(VENV)/.installed ## Install the product into .venv, every package pinned by hash

install-dev: $(VENV)/.installed-dev ## Install what developing and testing need as well

demo: install ## Start a believable world on PORT (8000); with ONCE=1 print the report and end
	@$(BIN)/python -m countmein demo --port $(PORT) $(if $(ONCE),--once)

up: install ## Start an empty site on PORT (8000)
	@$(BIN)/python -m countmein up --port $(PORT)

check: install-dev ## Format, lint, types, floors, migrations, deployment, locks, house rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check.py

test: check ## The fast tests, on a clean clone too; T=path for a part of them
	$(BIN)/pytest -q -n 2 --dist loadfile -m "not slow" $(T)

test-all: test ## The slow tests as well: real processes, faults, a real browser
	$(BIN)/pytest -q -m slow $(T)

chaos: install-dev ## The faults at their full sizes, for a night; T=path for a part of them
	CHAOS=full $(BIN)/pytest -q -s -m slow --durations=20 $(if $(T),$(T),tests/faults tests/simulator tests/ground)

bench: install-dev ## Measure this machine, each figure beside its limit; SMALL=1 looks at the rows only
	$(BIN)/python -m bench.all $(if $(SMALL),--small)

self-check: install ## Ask the running site whether it keeps its word
	@$(BIN)/python -m countmein self-check

format: install-dev ## Put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

messages: install-dev ## Bring the catalogues of words up to date and compile them
	$(BIN)/python tools/messages.py

lock: install-dev ## Make the locks anew from pyproject.toml
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate \
	  --python-version 3.11 --upgrade pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate \
	  --python-version 3.11 --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## Remove what was installed and made; the site's own data in .countmein stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
