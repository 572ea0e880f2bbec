# Two commands: `make demo` and `make test`. Each sets up the `.venv` it needs.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
PIP    := $(PY) -m pip install --disable-pip-version-check --constraint requirements/constraints.txt

.PHONY: demo test lint setup clean

demo: $(STAMP)
	$(PY) tools/demo.py

test: lint
	$(PY) -m pytest

lint: $(STAMP)
	$(PY) -m ruff check .

setup: $(STAMP)

# opencv's two builds own the same files; the headless one, which needs no libGL, goes on last.
$(STAMP): setup.cfg pyproject.toml requirements/constraints.txt
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PIP) --quiet --progress-bar off --editable '.[dev]'
	$(PIP) --quiet --no-deps --force-reinstall opencv-python-headless
	@touch $(STAMP)

clean:
	rm -rf $(VENV) work_dirs build *.egg-info
