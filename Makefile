# The environment of all targets, and the Python that makes it, 3.11 or newer: `make test VENV=.venv-3.13 PYTHON=python3.13`.
VENV ?= .venv
PYTHON ?= python3
# A file of exact versions with hashes that the environment begins with, as in CI: make test LOCK=requirements/test.txt.
LOCK ?=
# A uv that installs instead of pip, many times faster, as in CI: make test UV=uv. It does not read pip's settings.
UV ?=
# What a target hands on: make test ARGS="-k gate".
ARGS ?=
# How many processes run tests.
JOBS ?= 2
# How long sentinels come and go in `make chaos`, with each kind of client; then how much fails in it, with how many
# seeds, and the file to which the table by kind is added. FAULTS=1000 CHAOS_SEEDS=1 takes an hour or two.
CHAOS_SECONDS ?= 120
FAULTS ?= 30
CHAOS_SEEDS ?= 3
CHAOS_TABLE ?= chaos.md

BIN := $(VENV)/bin
STAMP := $(VENV)/installed
INSTALL := $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --no-user --disable-pip-version-check)
# A file's tests share its fixtures: they stay together. In the order of their names the last files are short ones.
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

# Settings of the caller that would lead pip or Python past the environment.
unexport PYTHONHOME PYTHONPATH PIP_PREFIX PIP_REQUIRE_VIRTUALENV PIP_ROOT PIP_TARGET PIP_USER

.DEFAULT_GOAL := help
.PHONY: help demo test test-quick test-numbers test-cluster lint types bench chaos data clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 14

demo: $(STAMP) ## train a small network on an embedded cluster; ARGS="--help" lists its options
	$(BIN)/dask akkordeon demo $(ARGS)

test: $(STAMP) ## run the tests; ARGS go to pytest
	$(PYTEST) $(ARGS)

test-quick: $(STAMP) ## run the tests that take seconds, without browser and machines
	$(PYTEST) -m "not slow and not browser and not machines" $(ARGS)

test-numbers: $(STAMP) ## run the quick tests that need no cluster
	$(PYTEST) -m "not cluster and not slow and not browser and not machines" $(ARGS)

test-cluster: $(STAMP) ## run the quick tests on a cluster
	$(PYTEST) -m "cluster and not slow and not browser and not machines" $(ARGS)

lint: $(STAMP) ## check style and the import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(STAMP) ## check types
	$(BIN)/python -m mypy

.PHONY: format check docs dist lock

format: $(STAMP) ## format the code, and repair what ruff can repair
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

check: lint types test-quick ## all that a commit should pass: style, types and the quick tests

docs: $(STAMP)-docs ## build the documentation into docs/_build/html; a warning is an error
	$(BIN)/python -m sphinx -q -W --keep-going -n -b html docs docs/_build/html $(ARGS)

dist: $(STAMP) ## build the wheel and the sdist into dist/
	$(BIN)/python -m build $(ARGS)

lock: ## write the exact versions and hashes of all that is installed in CI and images, with uv
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes pyproject.toml -o requirements/package.txt $(ARGS)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra test pyproject.toml -o requirements/test.txt $(ARGS)
	uv pip compile --quiet --resolution lowest-direct --no-build --python-version 3.13 --generate-hashes --extra test pyproject.toml -o requirements/lowest.txt $(ARGS)

bench: $(STAMP) ## measure speed; ARGS go to the benchmarks
	$(BIN)/python -m tests.bench $(ARGS)

.PHONY: study
STAGE ?= a
study: $(STAMP) ## train with late gradients, STAGE=a, b or c; runs that have a result in study-results/ are not repeated
	$(BIN)/python -m tests.study $(STAGE) $(ARGS)

chaos: $(STAMP) ## twenty sentinels join and leave for two minutes; workers, links, disks and sentinels fail
	AKKORDEON_CHAOS_SECONDS=$(CHAOS_SECONDS) AKKORDEON_FAULTS=$(FAULTS) AKKORDEON_CHAOS_SEEDS=$(CHAOS_SEEDS) \
	AKKORDEON_CHAOS_TABLE=$(CHAOS_TABLE) \
	$(BIN)/python -m pytest --timeout=900 tests/runtime/test_coming_and_going.py tests/runtime/test_chaos.py $(ARGS)

data: $(STAMP) ## fetch the full data sets
	$(BIN)/dask akkordeon data $(ARGS)

clean: ## remove the environments and all caches
	rm -rf .venv .venv-* build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf docs/_build docs/reference/generated

# The stamp goes first and comes last: an interrupted installation leaves none, and the next one starts afresh.
$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: name a Python >= 3.11, make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) and \
	"$(PYTHON) is Python " + v + ": akkordeon_dask needs 3.11 or newer, make PYTHON=python3.11")'
	@if test -f $@; then rm $@; else rm -rf $(VENV); fi
	$(if $(UV),$(UV) venv --quiet --allow-existing --seed --python $(PYTHON),$(PYTHON) -m venv) $(VENV) >&2
	$(if $(LOCK),$(INSTALL) --require-hashes -r $(LOCK) >&2)
	$(INSTALL) -e '.[test]' >&2
	@touch $@

$(STAMP)-docs: $(STAMP)
	$(INSTALL) -e '.[docs]' >&2
	@touch $@
