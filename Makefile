# make demo: set up, then run the demonstration.   make test: set up, then run the tests.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Passive waiting: processes that share two cores must not spin for each other.
export OMP_WAIT_POLICY = passive

.PHONY: demo test test-slow lint docs clean

demo: .venv/.demo
	$(BIN)/kinelet demo --out demo

test: .venv/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

test-slow: .venv/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m slow

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src

docs: .venv/.test
	$(PIP) -e '.[docs]'
	$(BIN)/mkdocs build --strict

# torch first and pinned: a plain requirement could pull gigabytes of CUDA onto a machine without a GPU.
.venv/.torch:
	@$(PYTHON) -c 'import sys; sys.exit("kinelet needs Python 3.11 or newer, this is " + sys.version if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(PIP) torch==2.13.0
	touch $@

.venv/.demo: .venv/.torch pyproject.toml
	$(PIP) -e '.[demo]'
	touch $@

.venv/.test: .venv/.demo
	$(PIP) -e '.[dev,demo,onnx,track,baselines,text]'
	touch $@

clean:
	rm -rf .venv demo .pytest_cache .mypy_cache .ruff_cache
