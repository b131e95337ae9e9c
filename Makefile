# Two commands for a newcomer: `make zoo` and `make test`. Both set everything up first.

PYTHON ?= python3
# The torch to install. A CUDA build comes with e.g. `make install TORCH=torch`.
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
KERNELS := src/hyperzoo/population/native/kernels

.PHONY: help install zoo test test-all test-cluster lint check sanitize keras clean

help:
	@echo "make zoo      train the built-in zoo digits-lenet5, show it, and write its report"
	@echo "make test     run the tests, but for slow ones"
	@echo "make test-all  run the slow ones too"
	@echo "make test-cluster  run the tests that start a Slurm and a Ray"
	@echo "make lint     check format, style and types"
	@echo "make check    lint and test-all: what CI runs, and then test-cluster where it can"
	@echo "make sanitize  run the native kernels under sanitizers"
	@echo "make keras    load exported files with TensorFlow 2.15 and with Keras 3"
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

test-all: install
	$(BIN)/pytest -m "not slurm and not ray"

# For those with Slurm and munge (Debian's packages slurm-wlm and munge) and with Ray in .venv (pip
# install ray), as root or where network namespaces can be made; whoever has not skips them. Both side
# by side, since they wait more than they compute. SITES=slurm or SITES=ray runs one kind.
SITES ?= slurm or ray
test-cluster: install
	$(BIN)/pytest -n 2 tests/cluster -m "$(SITES)"

lint: install
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

check: lint test-all

# The native kernels under AddressSanitizer and UndefinedBehaviorSanitizer.
sanitize: install
	tests/population/native/sanitize.sh

# Exported files in the hands of those who read them: each Keras has an environment of its own.
KERAS_2 := build/keras2
KERAS_3 := build/keras3

$(KERAS_2)/installed:
	$(PYTHON) -m venv $(KERAS_2)
	$(KERAS_2)/bin/pip install --quiet tensorflow-cpu==2.15.1
	@touch $@

$(KERAS_3)/installed:
	$(PYTHON) -m venv $(KERAS_3)
	$(KERAS_3)/bin/pip install --quiet tensorflow-cpu==2.21.0 keras==3.15.1
	@touch $@

keras: install $(KERAS_2)/installed $(KERAS_3)/installed
	rm -rf build/keras-files build/keras-trials build/keras-back
	$(BIN)/python -m tests.exchange.keras.real.make build/keras-files
	TF_CPP_MIN_LOG_LEVEL=3 $(KERAS_2)/bin/python tests/exchange/keras/real/check.py build/keras-files
	TF_CPP_MIN_LOG_LEVEL=3 $(KERAS_3)/bin/python tests/exchange/keras/real/check.py build/keras-files
	TF_CPP_MIN_LOG_LEVEL=3 $(KERAS_3)/bin/python tests/exchange/keras/real/make_small_cnn_zoo.py build/keras-files/zoo
	$(BIN)/python -m tests.exchange.keras.real.check_small_cnn_zoo build/keras-files/zoo build/keras-back
	TF_CPP_MIN_LOG_LEVEL=3 $(KERAS_2)/bin/python tests/exchange/keras/real/check.py build/keras-back
	TF_CPP_MIN_LOG_LEVEL=3 $(KERAS_3)/bin/python tests/exchange/keras/real/check.py build/keras-back

clean:
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
