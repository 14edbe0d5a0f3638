# Everything from a fresh clone: each target sets up what it needs inside .venv and does it once.
# Needs Python >= 3.11, make and a Python package registry; the network only while packages are installed.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
JUDGES := tests/api/judges
# Packages in JavaScript: as locked, without running anything of theirs, by the Node that the Python lock names.
NPM_CI := npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefix
# What is locked, and nothing else; compiled afterwards, by every processor.
PIP_INSTALL := -m pip install -q --disable-pip-version-check --require-hashes --no-compile
# A command line of several tests at once, say: make test TESTS="tests/api -k cli"
TESTS ?= tests
# How many processes test at a time, each with a PostgreSQL of its own; 0 is one after the other
TESTERS ?= 2
PORT ?= 8000
UV ?= uv

.PHONY: help run test pytest conformance bench picture lint lock clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: $(VENV)/.ready ## set up, then the main job: a demo portfolio imported, learned from and served
	@exec $(BIN)/dunwell demo --port $(PORT)

test: $(VENV)/.ready-judges ## set up, then every check and test; what CI runs
	@$(MAKE) --no-print-directory -j 2 lint pytest

pytest: $(VENV)/.ready-judges # beside lint, which has one processor busy
	$(BIN)/python -m pytest $(TESTS) -n $(TESTERS) --dist loadfile

lint: $(VENV)/.ready-dev ## style, types and the layers of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

conformance: $(VENV)/.ready-judges $(VENV)/.ready-examples ## the judges by others, and the long tests
	DUNWELL_TEST_LONG=1 $(BIN)/python -m pytest $(TESTS) -n $(TESTERS) --dist loadfile --timeout=3600

bench: $(VENV)/.ready-bench ## the benchmarks: each prints its ratio and writes bench/results/*.json
	$(BIN)/python -m bench.run

picture: $(VENV)/.ready-bench ## draw the pictures of docs/ from the demo
	$(BIN)/python -m bench.picture docs/send-time-heatmap.png
	$(BIN)/python -m bench.curves docs
	$(BIN)/python -m bench.forecasting.picture docs/forecasts.png

lock: ## renew requirements*.txt from pyproject.toml; needs uv
	$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q \
		--extra build pyproject.toml -o requirements.txt
	$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q \
		--extra build --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt
	$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q \
		--extra build --extra dev --extra bench -c requirements-dev.txt pyproject.toml -o requirements-bench.txt
	cd examples/python && $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header -q pyproject.toml -o requirements.txt

clean: ## remove what set-up and tools made; data under .dunwell stay
	rm -rf $(VENV) $(JUDGES)/node_modules examples/*/node_modules examples/*/.venv examples/*/build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "dunwell needs Python 3.11 or newer, and no such python3 is on the path." \
		"Install one, or name it: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "dunwell needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) --version`."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/install-system-package python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP_INSTALL) -r requirements.txt
	@$(MAKE) --no-print-directory $(VENV)/.installed
	@touch $@

$(VENV)/.ready-dev: requirements-dev.txt requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP_INSTALL) -r requirements-dev.txt
	@$(MAKE) --no-print-directory $(VENV)/.installed
	@touch $@ $(VENV)/.ready

$(VENV)/.ready-judges: $(JUDGES)/package-lock.json | $(VENV)/.ready-dev
	PATH="$(abspath $(BIN)):$$PATH" $(NPM_CI) $(JUDGES)
	@touch $@

$(VENV)/.ready-bench: requirements-bench.txt requirements-dev.txt requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP_INSTALL) -r requirements-bench.txt
	@$(MAKE) --no-print-directory $(VENV)/.installed
	@touch $@ $(VENV)/.ready-dev $(VENV)/.ready

$(VENV)/.ready-examples: examples/typescript/package-lock.json examples/python/requirements.txt | $(VENV)/.ready-dev
	PATH="$(abspath $(BIN)):$$PATH" $(NPM_CI) examples/typescript
	$(BIN)/python -m venv examples/python/.venv
	examples/python/.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes \
		-r examples/python/requirements.txt
	@touch $@

# The checkout itself: by the setuptools that is locked, nothing downloaded.
.PHONY: $(VENV)/.installed
$(VENV)/.installed:
	@$(BIN)/python -W ignore -m compileall -qq -j 0 $(VENV)/lib || true # a file for another Python is not loaded here
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@$(BIN)/python -c 'import lightgbm' 2>/dev/null || .ci/install-system-package libgomp1
	@$(BIN)/python -c 'import lightgbm'
