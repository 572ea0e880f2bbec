# Two commands: `make demo` and `make test`. Each sets up the `.venv` it needs; `PYTHON=python3.12 make test` makes it
# anew with another interpreter.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
PIP    := $(PY) -m pip install --disable-pip-version-check --quiet --constraint requirements/constraints.txt

VERSION = import sys; print("%d.%d" % sys.version_info[:2])
ifneq ($(origin PYTHON),file)  # asked for by name: a .venv of another version has to go
ifneq ($(shell $(PYTHON) -c '$(VERSION)'),$(shell test -x $(PY) && $(PY) -c '$(VERSION)'))
$(shell rm -rf $(VENV))
endif
endif

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
	@echo 'Setting up $(VENV): two to five minutes.'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PIP) --progress-bar off --editable '.[dev]'
	@$(PIP) --no-deps --force-reinstall opencv-python-headless
	@touch $(STAMP)

clean:
	rm -rf $(VENV) work_dirs build *.egg-info
