# Each target makes the virtual environment that it needs, and makes it only once.
# PYTHON is the interpreter to make it with, 3.11 or newer.
PYTHON ?= python3
VENV := .venv
OLDEST := .venv-oldest
RUN := $(VENV)/bin/python
PIP := -m pip --disable-pip-version-check install --quiet
# Installed first and alone, so that no other package chooses its build.
TORCH := torch==2.13.0

.PHONY: help demo test test-slow test-oldest lint doc bench clean

help:
	@echo "make demo         tune the fairness weight of a network on Adult"
	@echo "make test         run the test suite"
	@echo "make test-slow    run the slow tests, and those of a real language model"
	@echo "make test-oldest  run the test suite on the oldest supported versions"
	@echo "make lint         check style, spelling, docstrings and imports"
	@echo "make doc          build the documentation"
	@echo "make bench        run the benchmarks"
	@echo "make clean        remove the environments and what was built"

# Two processes, in the demo and in the tests: one thread each, or they wait for each
# other.
demo: $(VENV)/.tests
	OMP_NUM_THREADS=1 $(RUN) doc/examples/plot_adult_tradeoff.py demo_output/adult_tradeoff.png

test: $(VENV)/.tests $(VENV)/.benchmarks
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2

test-slow: $(VENV)/.tests $(VENV)/.benchmarks
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 -m "slow or models"

test-oldest: $(OLDEST)/.tests
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -n 2

lint: $(VENV)/.lint
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(VENV)/bin/codespell
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/numpydoc lint $$(git ls-files 'fairsk/*.py')

doc: $(VENV)/.doc
	$(RUN) -m sphinx -W --keep-going -j auto -b html doc doc/_build/html
	@echo "Open doc/_build/html/index.html"

bench: $(VENV)/.benchmarks
	$(RUN) -m benchmarks.run

clean:
	rm -rf $(VENV) $(OLDEST) doc/_build doc/api/generated doc/auto_examples \
		doc/guide/generated doc/sg_execution_times.rst demo_output

$(VENV)/.made $(OLDEST)/.made:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { \
		echo "fairsk needs Python 3.11 or newer. Got $$($(PYTHON) -V)." \
		"Name another one: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(PIP) $(TORCH)
	@touch $@

# .venv/.NAME stands for the extra NAME being installed.
$(VENV)/.%: $(VENV)/.made pyproject.toml constraints.txt
	$(RUN) $(PIP) -c constraints.txt -e ".[$*]"
	@touch $@

$(OLDEST)/.tests: $(OLDEST)/.made pyproject.toml constraints-oldest.txt
	$(OLDEST)/bin/python $(PIP) -c constraints-oldest.txt -e ".[tests]"
	@touch $@
