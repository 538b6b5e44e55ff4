# `make demo` and `make test` need nothing but a Python >= 3.11 with venv (or uv).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
.DEFAULT_GOAL := help
.PHONY: help demo demo-simulated test test-all check format bench bench-accuracy bench-intervals bench-analysis bench-overhead bench-queue bench-leaks soak test-faults fuzz clean

help: ## say what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	fi
	@touch $@

demo: $(STAMP) ## install and measure three networks on this machine
	$(BIN)/farm run farm/sweeps/quickstart.yaml

demo-simulated: $(STAMP) ## the same, shorter, with the joules of a simulated A100: needs gcc, no GPU
	$(BIN)/farm simulate a100 -- sh -c \
	  '$(BIN)/farm run workers/simulator/demo.yaml >/dev/null && $(BIN)/farm results --domain gpu simulated'

test: $(STAMP) ## install and run the fast tests: every room, and real sweeps on both kinds of farm
	$(BIN)/pytest -m 'not slow'

test-all: $(STAMP) ## run every test: also faults, the simulator in real time, long acceptance tests
	@$(BIN)/pytest || { status=$$?; test $$status -eq 1 || exit $$status; \
	  echo 'some tests failed: they run once more, one by one'; \
	  $(BIN)/pytest -n0 --maxfail=3 --last-failed --last-failed-no-failures=none; }

check: $(STAMP) ## lint, types, import contracts, rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.rooms

format: $(STAMP) ## mend layout and order of imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## print the figures of speed and size, as a table
	$(BIN)/python -m tests.benchmarks

bench-accuracy: $(STAMP) ## net energy and its interval against the truth of simulated GPUs, in every regime: six minutes
	$(BIN)/python -m tests.benchmarks.accuracy

bench-intervals: $(STAMP) ## do intervals hold the truth? Synthetic sweeps, ratios, stopping, strategies: minutes
	$(BIN)/python -m tests.benchmarks.intervals

test-faults: $(STAMP) ## the faults that tests inject, at full length: minutes; ends in a table of recovery times
	FAULTS_AT_FULL_LENGTH=1 $(BIN)/pytest --numprocesses=4 --dist=worksteal --timeout=900 tests/faults

fuzz: $(STAMP) ## 100,000 strange inputs to all that reads others' words: SEED=, INPUTS=, TARGET=; a quarter of an hour
	$(BIN)/python -m tests.fuzz $(if $(SEED),--seed $(SEED)) $(if $(INPUTS),--inputs $(INPUTS)) $(if $(TARGET),--target $(TARGET))

soak: $(STAMP) ## 2,000 jobs over 8 workers with a fault every 2 s: is one lost, is one stored twice?
	$(BIN)/python -m tests.faults.soak

bench-queue: $(STAMP) ## broker and database under many jobs and many machines, as a table: a quarter of an hour
	$(BIN)/python -m tests.benchmarks.queue

bench-analysis: $(STAMP) ## time and peak memory of what reads a million measurements, on either database
	$(BIN)/python -m tests.benchmarks analysis

bench-overhead: $(STAMP) ## what metering costs: CPU in a measure window, and latency with it on and off
	$(BIN)/python -m tests.benchmarks.bench_metering

bench-leaks: $(STAMP) ## memory, descriptors, threads and children over 10,000 trials: an hour; writes leaks.svg and leaks.csv
	$(BIN)/python -m tests.benchmarks.leaks

clean: ## remove what was installed
	rm -rf $(VENV)
