# Every target makes this checkout ready first (scripts/setup); that takes no time when nothing changed.
PYTHON ?= python3
export PYTHON
BIN := .venv/bin
WORKERS ?= 4

.PHONY: help setup demo test test-stack check format bench clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: ## Debian packages where apt may be used, virtual environment, compiled kernels
	@scripts/setup test

demo: ## synthetic traffic into an embedded store, with metrics to look at; Ctrl-C ends it
	@scripts/setup demo
	@$(BIN)/pcapline demo $(ARGS) || [ $$? -eq 130 ]

# More workers than there may be cores: many tests wait for a server. tests/distribution.py says who gets what.
test: setup ## the whole suite, real servers included: make test ARGS="-k names"
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

test-stack: setup ## the whole stack of compose/, brought up, asked, stopped and killed; needs Docker, or root to start it
	@PCAPLINE_STACK=1 $(BIN)/python -m pytest tests/compose/test_stack.py $(ARGS)

check: setup ## format, lint, types, import rules, shell scripts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@if command -v shellcheck >/dev/null; then shellcheck scripts/setup scripts/lock scripts/fresh-debian .ci/run $$(grep -rlE '^#!/bin/(ba)?sh$$' compose tests/compose); else echo "shellcheck is not here: scripts not checked"; fi

format: setup ## put the code into its format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: ## speed as ratios to the tools a user would pick instead: make bench ARGS="holiday.pcap --runs 7"
	@scripts/setup bench
	@$(BIN)/python -m bench $(ARGS)

clean: ## remove what was built; captures and stores stay
	rm -rf build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .venv/.stamps
	find loader schema \( -name '*.so' -o -name '*.c' \) -delete
	find . -path ./.venv -prune -o -name __pycache__ -prune -exec rm -r {} +
