# One word per action. PYTHON makes the environment (3.10 to 3.13); VENV is where it goes.
PYTHON ?= python3
unexport PYTHON  # what tests call takes it for the one with the packages
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
DOCS_STAMP := $(VENV)/.docs-ready
SETUP_FILES := constraints.txt setup.py $(wildcard autoassist_fairseq/tools/install/*.py) \
	$(wildcard autoassist_fairseq/tools/install/edit_lists/*.py)
# Elsewhere than in the environment (for the user, a target, a prefix) is what some systems set.
PIP := env -u PIP_TARGET -u PIP_PREFIX -u PIP_ROOT PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 \
	PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	$(BIN)/python -m pip install -qq

# Files side by side, in the order that tests/conftest.py gives them; one thread each, or the processes
# would wait for each other's. Compiled files are kept, whatever the shell says: compiling them again
# takes longer than the fast tests.
TESTS := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 \
	--dist loadfile --no-loadscope-reorder

# Before a folder is emptied or deleted: nobody's other files may lie in it.
OWN_VENV := test -e $(VENV)/pyvenv.cfg || test -z "$$(ls -A $(VENV) 2>/dev/null)" || \
	{ echo 'error: `VENV` must be a new folder, an empty one or a Python environment, but $(VENV) holds other files; name another folder.' >&2; exit 1; }

.PHONY: help setup demo test soak check bench bench-quick docs docs-tables clean

help:
	@echo "make setup   environment in $(VENV): pinned packages, corrected fairseq, this package"
	@echo "make demo    train with and without the Assistant on an embedded corpus"
	@echo "make test    all tests"
	@echo "make check   ruff, mypy and the fast tests"
	@echo "make soak    kill and resume a hundred times, inject every fault"
	@echo "make bench   measure the Assistant against its targets (bench-quick: in a few minutes)"
	@echo "make docs    the pages of docs/ as a site in build/docs"
	@echo "make docs-tables  write the tables of docs/ anew from the code"
	@echo "make clean   remove what the others made"

setup: $(STAMP)
	@$(if $(SET_UP),,echo "setup: $(VENV) is up to date, nothing to do" >&2)

# torch goes first and alone, so that no other package's wish can bring a newer one.
$(STAMP): $(SETUP_FILES)
	@echo "setup: making $(VENV) (about four minutes)" >&2
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 10) <= v <= (3, 13) or sys.exit("error: `PYTHON` must be Python 3.10 to 3.13, but $(PYTHON) is %d.%d: try make setup PYTHON=python3.11" % v)'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { $(OWN_VENV) && $(PYTHON) -m venv --clear $(VENV); }
	@echo "setup: 1/5 pip" >&2
	@$(PIP) --upgrade pip setuptools wheel
	@echo "setup: 2/5 torch (large)" >&2
	@$(PIP) torch
	@echo "setup: 3/5 this package and what it needs" >&2
	@$(PIP) --editable '.[demo,dev,images,language-id,report]'
	@echo "setup: 4/5 fairseq" >&2
	@$(BIN)/python -m autoassist_fairseq build-fairseq >/dev/null
	@echo "setup: 5/5 checks" >&2
	@$(BIN)/python -m pip check >&2
	@touch $@
	@echo "setup: $(VENV) is ready" >&2
	$(eval SET_UP := yes)

demo: setup
	$(BIN)/python -m autoassist_fairseq demo

test: setup
	$(TESTS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(TESTS) -q -m "not slow"

soak: setup
	$(BIN)/python tests/soak.py

bench: setup
	$(BIN)/python -m autoassist_fairseq bench

bench-quick: setup
	$(BIN)/python -m autoassist_fairseq bench --quick

# Warnings are errors: a link that leads nowhere, a page that no other leads to.
docs: setup $(DOCS_STAMP)
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --nitpicky \
		--doctree-dir build/doctrees docs build/docs
	@echo "docs: build/docs/index.html" >&2

$(DOCS_STAMP): $(STAMP)
	@echo "docs: what only the site needs" >&2
	@$(PIP) --editable '.[docs]'
	@touch $@

docs-tables: setup
	$(BIN)/python docs/doc_tables.py

clean:
	@$(OWN_VENV)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
