# The recipes of the house. Each works from a bare clone with Python 3.11 and make: the first use builds .venv.

PYTHON ?= python3
WORKERS ?= 2
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
RUNTIME := .venv/runtime.stamp
TESTS := .venv/tests.stamp
VENDURE := tests/peers/vendure/node_modules/.package-lock.json
OSCAR := tests/peers/oscar/.venv/peer.stamp

.DEFAULT_GOAL := help
.PHONY: help demo serve test peers test-peers check format migration bench lock clean

help: ## list the recipes
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(RUNTIME) ## play a day of sales on a hub of its own and check the ledger (ARGS="--seed 7")
	@$(BIN)/ponte demo $(ARGS)

serve: $(RUNTIME) ## run the hub on SQLite, on this machine
	@$(BIN)/ponte serve $(ARGS)

test: $(TESTS) ## run every test, on SQLite and PostgreSQL
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

peers: $(VENDURE) $(OSCAR) ## install a real Vendure store (needs node and npm) and a real Oscar shop

test-peers: $(TESTS) peers ## play against the real stores
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/peers $(ARGS)

check: $(TESTS) ## lint, format, types, rooms and doors, house style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/tidy

format: $(TESTS) ## put the code into the house's format
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

migration: $(TESTS) ## write the next step of the schema from tables.py (ARGS="add phone to store")
	$(BIN)/python -m gateway.store.migrations $(ARGS)
	$(BIN)/ruff format --quiet gateway/store/migrations

bench: $(TESTS) ## measure what the README claims about speed
	@$(BIN)/python -m bench $(ARGS)

# Hashes of every file, and no index address: whoever installs chooses where from.
LOCK := uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links

lock: ## write requirements/*.txt again from pyproject.toml (needs uv; ARGS="--upgrade")
	$(LOCK) $(ARGS) --extra test --output-file requirements/test.txt pyproject.toml
	$(LOCK) $(ARGS) --extra postgres --constraints requirements/test.txt --output-file requirements/runtime.txt pyproject.toml
	$(LOCK) $(ARGS) --constraints requirements/test.txt --output-file requirements/build.txt requirements/build.in
	$(LOCK) $(ARGS) --output-file tests/peers/oscar/requirements.txt tests/peers/oscar/requirements.in

clean: ## remove the virtual environment and every cache
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf tests/peers/vendure/node_modules tests/peers/oscar/.venv

# A stamp is younger than the files it was made from, or it is made again.
$(RUNTIME): requirements/build.txt requirements/runtime.txt pyproject.toml | $(BIN)/python
	@echo "Installing Ponte (once, about a minute) ..."
	@$(PIP) --require-hashes -r requirements/build.txt
	@$(PIP) --require-hashes -r requirements/runtime.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(TESTS): requirements/test.txt $(RUNTIME)
	@echo "Installing the test tools (once) ..."
	@$(PIP) --require-hashes -r requirements/test.txt
	@touch $@

# Real stores, each with a lock of its own. npm's scripts stay off: nothing here needs a compiler.
$(VENDURE): tests/peers/vendure/package-lock.json
	@echo "Installing the Vendure store (once) ..."
	@cd tests/peers/vendure && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(OSCAR): tests/peers/oscar/requirements.txt
	@echo "Installing the Oscar shop (once) ..."
	@$(PYTHON) -m venv tests/peers/oscar/.venv
	@tests/peers/oscar/.venv/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $<
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Ponte needs Python 3.11 or newer: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
