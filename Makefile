# Everything one does here. `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types faults acceptance screenshots lock system-packages clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

install: $(VENV)/installed  ## make the environment in .venv from the lock file, and nothing else

$(VENV)/installed: requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name it with: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install  ## the whole product on this machine (options: make demo ARGS="--seconds 150 --port 8123")
	@$(BIN)/brain demo $(ARGS)

test: install system-packages lint types  ## everything that must hold before a change lands
	$(BIN)/python -m pytest $(ARGS)

system-packages: install  # real parts for the tests; where they cannot be had the tests say so and skip
	@sh tests/system_packages.sh
	@sh tests/node_parts.sh

lint: install  ## ruff and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install  ## mypy, strict
	$(BIN)/mypy

faults: install system-packages  ## what is killed, cut, filled and stopped loses and doubles nothing (the long form)
	BRAIN_FAULTS=long $(BIN)/python -m pytest tests/faults -s $(ARGS)

acceptance: install  ## only the tests that run the product as a user does
	$(BIN)/python -m pytest tests/acceptance $(ARGS)

screenshots: install  ## take the pictures of the README anew (needs chromium)
	$(BIN)/python docs/screenshots.py $(ARGS)

lock:  ## renew the lock files, and what of them an ARM gateway takes (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt
	$(BIN)/python -m tests.aarch64

clean:  ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
