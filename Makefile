# Everything runs in .venv; each target sets up what it needs. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BENCHMARKS := $(filter-out peer report,$(basename $(notdir $(wildcard benchmarks/*.py))))
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test test-fast test-contracts test-integration test-e2e test-units test-long slither gas lint format bench contracts clean
.DEFAULT_GOAL := help

help: ## List the targets.
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# Stamps: the environment is made again only when what defines it changes.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[backend,verifier,contracts,dev]'
	@touch $@

node_modules/.installed: $(VENV)/.installed package-lock.json
	$(BIN)/npm ci --no-fund --no-audit --loglevel=error
	@touch $@

demo: node_modules/.installed ## Run the whole life cycle on a local chain.
	$(BIN)/merit demo

test: node_modules/.installed ## What CI runs: lint and all tests but the long ones, two parts at a time.
	@$(MAKE) --no-print-directory -j2 lint test-e2e test-contracts test-integration test-units

test-fast: node_modules/.installed ## Unit tests alone, under two minutes.
	$(BIN)/pytest tests/unit -q -m "not long and not chain"

test-contracts: node_modules/.installed ## Solidity tests, and the shipped ABIs against a rebuild.
	$(BIN)/npx hardhat test solidity
	$(BIN)/python -m scripts.contracts check
	$(BIN)/python -m scripts.gas --check

test-integration: node_modules/.installed ## Python tests on a chain and over the network.
	$(BIN)/pytest -q -m "not long" tests/integration

test-e2e: node_modules/.installed ## Python tests of everything together.
	$(BIN)/pytest -q -m "not long" tests/e2e

test-units: node_modules/.installed ## All other Python tests.
	$(BIN)/pytest -q -m "not long" tests/unit tests/adversaries

test-long: node_modules/.installed ## Fuzzing with 10,000 runs, long invariants, soaks.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[ray]'
	FUZZ_RUNS=10000 INVARIANT_RUNS=500 $(BIN)/npx hardhat test solidity
	$(BIN)/pytest -q -m long

slither: node_modules/.installed ## Static analysis of the contracts; docs/contracts/slither.md explains what it finds.
	test -x .merit/slither/bin/slither || (python3 -m venv .merit/slither && .merit/slither/bin/pip install --quiet 'slither-analyzer>=0.11.5,<0.12')
	rm -rf .merit/slither/build && mkdir .merit/slither/build
	cp -r contracts package.json hardhat.config.js .merit/slither/build && ln -s ../../../node_modules .merit/slither/build/node_modules
	cd .merit/slither/build && npx hardhat compile
	cd .merit/slither/build && ../bin/slither . --ignore-compile --hardhat-artifacts-directory artifacts \
		--filter-paths node_modules --exclude-informational --exclude-optimization --exclude-low --fail-none

gas: node_modules/.installed ## Write the gas snapshot tests/contracts/gas.json.
	$(BIN)/python -m scripts.gas

contracts: node_modules/.installed ## Compile the contracts and ship their ABIs and bytecode in chain/contracts.
	$(BIN)/python -m scripts.contracts export

bench: node_modules/.installed ## Run every benchmark; fails at the end if any missed a target.
	@missed=0; for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py || missed=1; done; exit $$missed

lint: node_modules/.installed ## Formatting, lint, types, layers.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed ## Format and fix what can be fixed.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove what the targets made, the environment included.
	rm -rf $(VENV) node_modules artifacts cache .merit .mypy_cache .ruff_cache .pytest_cache *.egg-info
