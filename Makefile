# Two commands for a newcomer: `make zoo` and `make test`. Both set everything up first.

PYTHON ?= python3
# The torch to install. A CUDA build comes with e.g. `make install TORCH=torch`.
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
KERNELS := src/hyperzoo/population/native/kernels

.PHONY: help install zoo test lint check sanitize clean

help:
	@echo "make zoo      train the built-in zoo digits-lenet5, show it, and write its report"
	@echo "make test     run the tests"
	@echo "make lint     check format, style and types"
	@echo "make check    lint and test: what CI runs"
	@echo "make sanitize  run the native kernels under sanitizers"
	@echo "make install  put everything into .venv"
	@echo "make clean    remove .venv and caches (zoos stay)"

install: $(VENV)/installed

# torch comes first and by itself, so that nothing else chooses its build.
$(VENV)/installed: pyproject.toml setup.py constraints.txt $(wildcard $(KERNELS)/* src/hyperzoo/analysis/kernels/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "hyperzoo needs Python 3.11 or newer; set PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt "$(TORCH)"
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

zoo: install
	@$(BIN)/hyperzoo train digits-lenet5 --out zoos/digits-lenet5
	@$(BIN)/hyperzoo show zoos/digits-lenet5
	@$(BIN)/hyperzoo report zoos/digits-lenet5 --out zoos/digits-lenet5.html

test: install
	$(BIN)/pytest

lint: install
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

check: lint test

# The native kernels under AddressSanitizer and UndefinedBehaviorSanitizer.
sanitize: install
	tests/population/native/sanitize.sh

clean:
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
