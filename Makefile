# Two commands are enough: `make app` runs CaptionLens, `make test` passes every test.
# Each makes the virtual environment and installs what it needs; later starts are immediate.

PYTHON ?= python3
PORT ?= 8501
MINUTES ?= 10
BIN := .venv/bin
ENVIRONMENT := .venv/.app-installed
TEST_ENVIRONMENT := .venv/.tests-installed
# An environment of its own: the package brings a server, and pins what others need newer.
MILVUS := .venv/milvus-server
MILVUS_SERVER := $(MILVUS)/.installed
# Two processes with a thread each: faster than one with two. A file stays in one process.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help app dev test quick lint fix unit ui browser scale trials chromium nginx clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

app: $(ENVIRONMENT) ## run the app at http://localhost:8501 (PORT=...)
	$(BIN)/python cli.py models prepare
	$(BIN)/streamlit run app.py --server.port $(PORT)

# Streamlit reloads the modules below PYTHONPATH, and pages; with the root there, pages stay stale.
dev: $(ENVIRONMENT) ## run the app and reload it when a source file changes
	PYTHONPATH=$(CURDIR)/components $(BIN)/streamlit run app.py --server.port $(PORT) \
		--server.fileWatcherType auto --server.runOnSave true

test: lint unit ui browser scale ## lint, types, unit, app, browser and cluster tests

quick: lint ## lint, types, and the unit tests without training and model conversion
	$(PYTEST) tests/unit -m "not slow"

lint: $(TEST_ENVIRONMENT) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: $(TEST_ENVIRONMENT) ## format, and apply ruff's safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

unit: $(TEST_ENVIRONMENT) ## the unit tests
	$(PYTEST) tests/unit

ui: $(TEST_ENVIRONMENT) ## every page without a browser
	$(PYTEST) tests/app

browser: $(TEST_ENVIRONMENT) chromium ## the pages in a real browser
	$(BIN)/python -m pytest tests/browser

trials: $(TEST_ENVIRONMENT) ## fuzzing, and kills of real builds (MINUTES=10 for each)
	for part in images tables queries; do \
		OMP_NUM_THREADS=1 $(BIN)/python -m tests.trials.fuzzing $$part --minutes $(MINUTES) \
			|| exit 1; done
	$(BIN)/python -m tests.trials.kills --minutes $(MINUTES)

scale: $(TEST_ENVIRONMENT) $(MILVUS_SERVER) chromium nginx ## Milvus, Ray, nginx and S3, in a network namespace
	$(BIN)/python -m tests.scale.namespace

nginx: $(TEST_ENVIRONMENT) ## install nginx where it is missing
	$(BIN)/python -m tests.scale.nginx

chromium: $(TEST_ENVIRONMENT) ## install Chromium where it is missing
	$(BIN)/python -m tests.browser.chromium

clean: ## remove the virtual environment and the caches
	rm -rf .venv .test-results .mypy_cache .pytest_cache .ruff_cache

.venv/bin/python:
	$(PYTHON) -m venv .venv

$(ENVIRONMENT): requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	touch $@

$(TEST_ENVIRONMENT): tests/requirements.txt requirements-scale.txt requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r tests/requirements.txt
	touch $@

$(MILVUS_SERVER): | .venv/bin/python
	$(PYTHON) -m venv $(MILVUS)
	$(MILVUS)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps milvus==2.3.5
	touch $@
