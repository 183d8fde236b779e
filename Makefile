# Two commands: `make app` runs CaptionLens, `make test` passes every test.
# Both make the virtual environment and install what they need; the second time they start at once.

PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin
ENVIRONMENT := .venv/.app-installed
TEST_ENVIRONMENT := .venv/.tests-installed

.PHONY: app test lint unit ui browser chromium clean

app: $(ENVIRONMENT)
	$(BIN)/python cli.py models prepare
	$(BIN)/streamlit run app.py --server.port $(PORT)

test: lint unit ui browser

lint: $(TEST_ENVIRONMENT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(TEST_ENVIRONMENT)
	$(BIN)/python -m pytest tests/unit

ui: $(TEST_ENVIRONMENT)
	$(BIN)/python -m pytest tests/app

browser: $(TEST_ENVIRONMENT) chromium
	$(BIN)/python -m pytest tests/browser

chromium: $(TEST_ENVIRONMENT)
	$(BIN)/python -m tests.browser.chromium

clean:
	rm -rf .venv .test-results .mypy_cache .pytest_cache .ruff_cache

.venv/bin/python:
	$(PYTHON) -m venv .venv

$(ENVIRONMENT): requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	touch $@

$(TEST_ENVIRONMENT): tests/requirements.txt requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r tests/requirements.txt
	touch $@
