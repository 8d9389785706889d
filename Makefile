# Everything a person does with this repository. `make` lists it.

PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export HARDHAT_DISABLE_TELEMETRY_PROMPT := true

# The native forge: the npm wrapper's exit status is 0 whatever happens.
FORGE := node_modules/@foundry-rs/forge-linux-amd64/bin/forge
# Hardhat tests exactly what is deployed. forge, which tries more, compiles without the optimizer, eight times as quick;
# `test-deep` does not.
QUICK := FOUNDRY_VIA_IR=false FOUNDRY_OPTIMIZER=false FOUNDRY_OUT=cache/out/quick FOUNDRY_CACHE_PATH=cache/quick

.PHONY: help setup bench-wallet wallet-screens setup-dev setup-analysis setup-system demo up test test-deep fuzz coverage prove slither mutants \
  mutants-sample check format bench bench-gas gas-check vectors examples abi lock clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	@echo "Making a virtual environment in .venv"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/product: .venv/made requirements.txt pyproject.toml
	@echo "Installing Python packages, pinned with hashes (about a minute)"
	@$(BIN)/pip install --quiet --progress-bar on --require-hashes --only-binary :all: -r requirements.txt
	@$(BIN)/pip install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

.venv/dev: .venv/product requirements-dev.txt
	@echo "Installing the tools for tests and checks"
	@$(BIN)/pip install --quiet --progress-bar on --require-hashes --only-binary :all: -r requirements-dev.txt
	@touch $@

node_modules/made: .venv/product package-lock.json package.json wallet/web/package.json .npmrc
	@echo "Installing Node packages, as locked (half a minute)"
	@npm ci --no-progress --loglevel error
	@touch $@

wallet/web/dist/index.html: node_modules/made $(shell find wallet/web ledger/vocabulary -not -path '*/dist*' -not -path '*/node_modules*' -type f)
	@echo "Building the patient's page"
	@npm run --silent build -w wallet/web -- --logLevel error

setup: .venv/product node_modules/made wallet/web/dist/index.html ## Install what the product needs into this folder

setup-dev: setup .venv/dev

setup-analysis: .venv-analysis/made

# Tools that look at the contracts from outside, in an environment of their own (see requirements-analysis.in).
.venv-analysis/made: requirements-analysis.txt
	@echo "Installing the tools that analyse the contracts (about a minute)"
	@$(PYTHON) -m venv .venv-analysis
	@.venv-analysis/bin/pip install --quiet --progress-bar on --require-hashes --only-binary :all: -r requirements-analysis.txt
	@touch $@

setup-system: ## Install Debian's chromium and PostgreSQL, which tests use (needs root)
	@{ command -v chromium && test -x /usr/lib/postgresql/15/bin/postgres; } >/dev/null || \
	  { apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium postgresql-15; }

demo: setup ## Run the main job on real files and check every step
	@$(BIN)/volens demo

up: setup ## Run the ledger and the service until Ctrl-C; state is kept in .volens
	@$(BIN)/volens up

test: setup-dev ## Run every test
	@npx --no-install hardhat test solidity
	@$(QUICK) $(FORGE) test
	@npm test -w wallet/web
	@scripts/test.sh

test-deep: setup-dev ## Run fuzzing, invariants and the state machine far longer, each time from another seed
	@FOUNDRY_PROFILE=deep $(FORGE) test --fuzz-seed 0x$$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	@VOLENS_TEST_PROFILE=deep $(BIN)/pytest tests/contracts/test_state_machine.py tests/contracts/test_consent_check.py \
	  tests/chaos tests/crash \
	  tests/services/test_reorganisations.py tests/services/test_new_enemy.py \
	  tests/verifier tests/fuzz tests/api/test_described.py

fuzz: setup-dev ## Fuzz every parser of foreign bytes (SECONDS=20 for each; TARGETS="…" for some)
	@$(BIN)/python -m scripts.fuzz --seconds $(or $(SECONDS),20) $(TARGETS)

coverage: setup-dev ## Fail unless the tests reach every line and every outcome of every condition of the contracts
	@$(BIN)/python -m scripts.coverage

prove: setup-dev setup-analysis ## Show properties of the contracts for every input and state (PROPERTIES="…" for some)
	@$(BIN)/python -m scripts.prove $(PROPERTIES)

slither: setup-dev setup-analysis ## Analyse the contracts statically; every finding has a written reason
	@$(BIN)/python -m scripts.slither

mutants: setup-dev setup-analysis ## Change the contracts in every small way and see that a test notices (half an hour)
	@$(BIN)/python -m scripts.mutants

mutants-sample: setup-dev setup-analysis ## The same with a sample
	@$(BIN)/python -m scripts.mutants --sample 40

check: setup-dev ## Format, lint, types, generated files, locks
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/python -m scripts.compile --check
	@$(BIN)/python -m scripts.vectors --check
	@$(BIN)/python -m scripts.locks
	@echo "All checks passed."

format: setup-dev ## Put the code into its one format
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

bench: setup-dev ## Measure the speed of the parts, of decisions, of evidence, release, recording and replay
	@$(BIN)/python -m scripts.bench --write
	@$(BIN)/python -m scripts.bench_decisions --write
	@$(BIN)/python -m scripts.bench_evidence --write
	@$(BIN)/python -m scripts.bench_release --write
	@$(BIN)/python -m scripts.bench_relay --write
	@$(BIN)/python -m scripts.bench_replay --ponder --write

bench-wallet: setup-dev ## Measure the patient's page: its size, opening, unlocking, signing
	@$(BIN)/pytest -q tests/browser/bench_page.py

wallet-screens: setup-dev ## Take the pictures of docs/wallet.md again, from a whole run in the browser
	@$(BIN)/python -m scripts.wallet_screens

bench-gas: setup-dev ## Measure gas beside other contracts and write docs/gas.md
	@$(BIN)/python -m scripts.gas

gas-check: setup-dev ## Measure gas again; fail if a row rose
	@$(BIN)/python -m scripts.gas --check

vectors: setup-dev ## Make the test vectors again
	@$(BIN)/python -m scripts.vectors

examples: setup-dev ## Write down again what the service is asked and answers, for its OpenAPI document
	@VOLENS_WRITE_EXAMPLES=1 $(BIN)/pytest tests/api/test_examples.py

abi: setup-dev ## Compile the contracts and write ledger/adapters/abi
	@$(BIN)/python -m scripts.compile

lock: ## Resolve the Python packages again (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --quiet pyproject.toml -o requirements.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --quiet pyproject.toml --extra dev -c requirements.txt -o requirements-dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --quiet requirements-analysis.in -o requirements-analysis.txt

clean: ## Remove everything that was installed or built; state in .volens is kept
	rm -rf .venv .venv-analysis node_modules artifacts cache wallet/web/dist
