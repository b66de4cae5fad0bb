# Everything a newcomer needs: `make demo`, `make test`, `make check`. Needs python3 (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTS := $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: setup demo test check docs accuracy bench-mutations bench-ratios bench bench-lists bench-products bench-queries bench-years bench-idle bench-prompt bench-backtest bench-noise format soak clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml requirements.lock
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[test]'
	touch $@

demo: setup
	$(BIN)/breakeven demo

test: setup
	$(TESTS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(TESTS)

docs: setup
	$(BIN)/python -m scraper.listing docs/sources.md

# Real pages beside what a person read in them; needs ../shared/data/pages. See docs/accuracy.md.
accuracy: setup
	$(BIN)/python -m benchmarks.accuracy docs/accuracy.md

# Damaged pages through reader and gate; COUNT and SEED can be given, 10,000 take some minutes.
COUNT ?= 10000
SEED ?= 1
bench-mutations: setup
	$(BIN)/python -m benchmarks.mutations --count $(COUNT) --seed $(SEED) --document docs/accuracy.md

# How fast ratios through time are.
bench-ratios: setup
	$(BIN)/python -m benchmarks.ratios

# Messages a year from a ratio that wanders round its threshold, and from wrong readings.
bench-noise: setup
	$(BIN)/python -m benchmarks.noise

# How fast the book answers, what years of looks weigh, what a daemon needs that has nothing to do:
# docs/scale.md. Small by default; `make bench-queries CHANGES=50000000` takes half an hour.
CHANGES ?= 1000000
SERIES ?= 100000
YEARS ?= 1
HOURS ?= 24
bench: bench-lists bench-products bench-queries bench-years bench-idle bench-prompt bench-backtest bench-ratios
# Whole price lists beside gpuhunt, sparecores-crawler, pandas and csv.DictReader, which are installed
# on first use, under ~/.cache. `make bench-lists MACHINES=1190` takes a list of 570 MB and an hour.
MACHINES ?= 120
bench-lists: setup
	$(BIN)/python -m benchmarks.price_list --machines $(MACHINES)
# GetProducts over loopback, beside boto3 alone; RESERVED=1: every machine can be reserved.
PAGES ?= 200
RESERVED ?= 3
bench-products: setup
	$(BIN)/python -m benchmarks.get_products --pages $(PAGES) --every $(RESERVED)
bench-queries: setup
	$(BIN)/python -m benchmarks.queries --changes $(CHANGES)
bench-years: setup
	$(BIN)/python -m benchmarks.years --series $(SERIES) --years $(YEARS)
bench-idle: setup
	$(BIN)/python -m benchmarks.idle --hours $(HOURS)
# Questions as whole processes, beside `python -c pass`.
bench-prompt: setup
	$(BIN)/python -m benchmarks.prompt
# Four rules on each of 100 workloads through three years, beside `import boto3`.
bench-backtest: setup
	$(BIN)/python -m benchmarks.backtest

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The tests that kill, race and generate, with many more rounds; see docs/testing.md. Each count can
# be given: `make soak BREAKEVEN_KILLS=500`.
soak: export BREAKEVEN_KILLS ?= 50
soak: export BREAKEVEN_SLOTS ?= 1000
soak: export BREAKEVEN_EXAMPLES ?= 20000
soak: setup
	$(BIN)/pytest --timeout 7200 tests/test_kill.py tests/test_kill_delivery.py tests/test_schedule.py tests/test_rules.py

clean:
	rm -rf $(VENV) dist build
