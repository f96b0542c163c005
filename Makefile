# Every target sets up what it needs in a private environment, .venv; nothing else on the machine changes.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup check test bench format clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/ready  ## Make the environment, with the versions that were tested

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

check: setup  ## Format, lint, types, import direction
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pytest tests/architecture

test: setup  ## Run the whole test suite
	$(BIN)/pytest --numprocesses auto

bench: setup  ## Measure on this machine: the LSTM step against PyTorch, then dynamic against static unrolling
	$(BIN)/python benchmarks/lstm_step.py
	$(BIN)/python benchmarks/unroll.py

format: setup  ## Format and fix what can be fixed
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:  ## Remove the environment and all caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
