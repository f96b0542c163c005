# Every target sets up what it needs in a private environment, .venv; nothing else on the machine changes.
PYTHON ?= python3
BIN := .venv/bin
# Byte code is kept, whatever the environment says: tests start many processes, and each would compile all modules again.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help setup demo check test bench study format clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/ready  ## Make the environment, with the versions that were tested

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

SMALL := model.encoder.num_layers=1 model.decoder.num_layers=1 model.decoder.upper_layers=0 model.encoder.cell=GRU model.decoder.cell=GRU \
	model.encoder.dropout=0.1 model.decoder.dropout=0.1 model.output_dropout=0.1
DEMO := $(SMALL) train.minutes=4.5 train.epochs=null train.averaging.decay=0.99

demo: runs/demo/model.safetensors  ## Train a network for less than 5 minutes that pronounces words it has never seen
	@echo; echo 'Words kept out of training, by beam search (wer: words that are wrong; per: wrong phonemes):'
	@$(BIN)/unspool evaluate runs/demo
	@echo; echo 'Some words that are in no dictionary:'
	@printf '%s\n' unspool recurrentia blorptastic cromulence zyzzogeton > runs/demo/words.txt
	@$(BIN)/unspool predict runs/demo runs/demo/words.txt | paste runs/demo/words.txt -
	@echo; echo 'Try your own: $(BIN)/unspool predict runs/demo'

# What was interrupted goes on where it stopped.
runs/demo/model.safetensors: | setup
	$(BIN)/unspool train $(if $(wildcard runs/demo/run.json),runs/demo --resume,pronounce $(DEMO) --run runs/demo)

check: setup  ## Format, lint, types, import direction
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pytest tests/architecture

test: setup  ## Run the whole test suite
	$(BIN)/pytest --numprocesses auto

bench: setup  ## Measure on this machine: recurrent layers and single steps against their peers, dynamic against static unrolling
	$(BIN)/python benchmarks/recurrent.py --memory --json runs/recurrent.json
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/unroll.py

study: setup  ## Train three networks, 6 minutes each, to see why people use encoder–decoders and attention
	$(BIN)/python benchmarks/why_attention.py --plot docs/why_attention.png

format: setup  ## Format and fix what can be fixed
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:  ## Remove the environment and all caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
