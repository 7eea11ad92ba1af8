# Everything that is done with a checkout. Each target first sets up what it needs in .venv, and does
# so again when pyproject.toml or constraints.txt has changed: Python >= 3.10 and make are enough.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
RUN ?=
EXTRAS ?= slurm

# Always `python -m tool`: the first line of a script in bin/ cannot hold a path with spaces.
python := $(VENV)/bin/python
# In variables rather than with -c, so that they bind what pip installs to build a package, too. A newer
# pip reads the second for that. Relative, since pip splits them at spaces.
constrained := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1
pip_install := $(constrained) $(python) -m pip install

# Two measurements at once would disturb each other, and two installations break each other.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help sweep quick findings calibrate instruments planted power test torture benchmark lint format install hooks clean \
	reference report wheelhouse map

help: ## List the targets
	@echo 'make TARGET [ARGS="..."] [PYTHON=python3.11]'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' Makefile

sweep: $(VENV)/.runtime ## Measure everything; ARGS are further overrides, e.g. ARGS="model=gpt2 run=NAME"
	$(python) -m gradbench +sweep=all $(ARGS)

quick: $(VENV)/.runtime ## Measure a little of everything, in a minute
	$(python) -m gradbench +sweep=quick $(ARGS)

findings: $(VENV)/.runtime ## Run every experiment and write experiments/README.md; RUN=results/NAME takes a stored run
	run="$(RUN)"; test -n "$$run" || { run=results/$$(date +%Y-%m-%d_%H-%M-%S)-findings && \
		$(python) -m gradbench experiment=all run=$${run#results/} $(ARGS); } && \
	$(python) tools/findings.py "$$run" > experiments/README.md.new && \
	mv experiments/README.md.new experiments/README.md

reference: $(VENV)/.runtime ## Write the README's tables and figure; ARGS=results/NAME keeps that run first
	$(python) tools/reference_runs.py $(ARGS)

report: $(VENV)/.runtime ## Write a page, tables and figures of what is in results/ into report/
	$(python) -m gradbench report $(ARGS)

calibrate: $(VENV)/.runtime ## See whether the intervals hold here, and write experiments/coverage.md; ARGS="--runs 10 --seconds 10"
	run=$$(date +%Y-%m-%d_%H-%M-%S)-calibration && $(python) -m gradbench calibrate --run $$run $(ARGS) && \
	{ $(python) tools/coverage_page.py results/$$run && echo && \
		$(python) experiments/estimators.py results/$$run; } > experiments/coverage.md.new && \
	mv experiments/coverage.md.new experiments/coverage.md

instruments: $(VENV)/.dev ## Compare with Timer, pytest-benchmark and pyperf, and write experiments/instruments.md
	run=$$(date +%Y-%m-%d_%H-%M-%S)-instruments && $(python) -m gradbench +experiment=instruments run=$$run $(ARGS) && \
	$(python) tools/instruments_page.py results/$$run > experiments/instruments.md.new && \
	mv experiments/instruments.md.new experiments/instruments.md

power: $(VENV)/.dev ## Measure how far mutants of the rules are from right, verify right strategies 1000 times, write experiments/verification_power.md
	$(python) -m tools.power_page > experiments/verification_power.md.new && \
	mv experiments/verification_power.md.new experiments/verification_power.md

planted: $(VENV)/.dev ## Plant defects in copies of torch.optim, see what the parity hunt finds, and write experiments/parity_planted.md
	$(python) -m tools.planted_page > experiments/parity_planted.md.new && \
	mv experiments/parity_planted.md.new experiments/parity_planted.md

test: $(VENV)/.dev ## Run the tests; ARGS go to pytest, e.g. ARGS="-k sgd", ARGS=-n0 for one after the other
	$(python) -m pytest -n logical --maxprocesses=4 $(ARGS)

torture: $(VENV)/.dev ## Do all the damage the tests know, not a tenth: a hundred kills, a gigabyte printed, a full disk (as root)
	GRADBENCH_TORTURE=1 $(python) -m pytest --timeout=3600 tests/integration tests/timing/test_clock.py $(ARGS)

benchmark: $(VENV)/.dev ## Time every strategy of sweep=quick, held against gradbench, and gradbench's own code with pytest-benchmark
	$(python) -m pytest tests/benchmarks $(ARGS)

lint: $(VENV)/.dev ## Check style, formatting and types
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy --strict

format: $(VENV)/.dev ## Mend what the linter can, format, and write the pages of all options and checks: conf/README.md, docs/checks.md
	$(python) tools/options.py
	$(python) tools/checks_page.py > docs/checks.md.new && mv docs/checks.md.new docs/checks.md
	$(python) -m ruff check --fix .
	$(python) -m ruff format .

install: $(VENV)/.dev ## Set up .venv for development

map: $(VENV)/.dev ## Show the rooms of the package and which imports which; ARGS="--svg map.svg" draws them
	$(python) tools/rooms.py $(ARGS)

hooks: $(VENV)/.dev ## Have git run the checks before each commit
	$(python) -m pre_commit install

wheelhouse: ## Download what a machine without network installs from: PYVERSION=3.12 PLATFORM=manylinux_2_28_x86_64
	$(constrained) $(PYTHON) tools/wheelhouse.py $(if $(PYVERSION),--python $(PYVERSION)) \
		$(if $(PLATFORM),--platform $(PLATFORM)) --extras '$(EXTRAS)' $(if $(TORCH),--torch)

clean: ## Remove .venv, caches and build outputs; results stay
	rm -rf $(VENV) build dist wheelhouse .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# What is installed: .runtime is enough to measure, .dev to develop. A stamp is missing while pip works,
# so an environment left half made is made anew.
$(VENV)/.runtime: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
		echo 'gradbench needs Python 3.10 or newer with its venv module, and "$(PYTHON)" is not that.' \
			'Name another: make PYTHON=python3.11 $(MAKECMDGOALS)' >&2; exit 1; }
	test -e $@ || $(PYTHON) -m venv --clear $(VENV)
	@rm -f $@
	$(pip_install) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@rm -f $< $@
	$(pip_install) -e '.[dev,huggingface]'
	@touch $< $@
