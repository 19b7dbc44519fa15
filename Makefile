# make install   the environment alone: .venv with cinefeast in it
# make demo      install, then the main job on MovieLens 100K: data, features, models, metrics, recommendations
# make test      every check: ruff, mypy, import-linter, pytest (which runs dbt build on a small made-up data set)
# make truth     every feature online against history, for 10,000 users and every film, on SQLite and Redis
# make clean     remove what a run wrote (workspace/), not the environment

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test truth lint clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

demo: install
	$(BIN)/cinefeast demo

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/pytest

truth: install
	$(BIN)/pytest -m slow -s tests/features/test_truth_at_scale.py

clean:
	rm -rf workspace dbt_project/target dbt_project/logs
