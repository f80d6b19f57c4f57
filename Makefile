# One command each; CI calls only `make check` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
PY := $(BIN)/python
STAMP := .venv/.installed
PYTEST := $(PY) -m pytest
unexport PYTHONDONTWRITEBYTECODE  # rewriting every test's assertions anew takes a third of `make quick`

.PHONY: run test quick check fix setup bench faults guides widget lock browser screenshots

run: $(STAMP)  ## serve with embedded SQLite and the demo site
	$(PY) -m server serve --demo

test: $(STAMP) browser  ## everything: both databases, a real browser, the stories
	HYPOTHESIS_PROFILE=same $(PYTEST) -n 2 -m "not browser"
	$(PYTEST) -n 2 -rs -m browser  # apart: the browser's driver keeps an event loop of its own running

quick: $(STAMP)  ## SQLite, no browser, under a minute
	$(PYTEST) -n 2 -m "not browser and not slow" -k "not postgres" --ignore=tests/browser --ignore-glob="*_fuzz.py"

check: $(STAMP)  ## format, lint, types, sizes, names
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PY) tests/check_widget_build.py

fix: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(STAMP)
	@if [ -d .git ]; then $(BIN)/pre-commit install >/dev/null && echo "pre-commit hooks installed"; fi

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Handraise needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv .venv || { echo "Python's venv module is missing. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "installing the locked packages into .venv (once, about a minute)"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

browser: $(STAMP)
	@sh tests/install_browser.sh

widget:  ## rebuild the committed widget files (needs Node)
	npm --prefix widget ci --ignore-scripts --no-audit --no-fund
	npm --prefix widget run build

bench: $(STAMP)
	$(PY) -m tests.bench

faults: $(STAMP)
	$(PY) -m tests.faults

guides: $(STAMP)  ## try the guides of docs/install.md with real applications (needs Node, fetches packages)
	$(PY) -m tests.guides

screenshots: $(STAMP) browser  ## take the pictures of docs/screenshots again
	$(PY) -m tests.browser.screenshots

lock:  ## renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" --all-extras --exclude-newer "7 days" --group dev pyproject.toml -o requirements.lock
