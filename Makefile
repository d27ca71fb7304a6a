PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test lint types contracts wheel bench digits clean

# The main job, small: both starts of the digits experiment, M2N2 against a plain GA.
demo: .venv/.demo
	$(BIN)/evoniche run digits --start scratch --method m2n2 --evaluations 10000 --runs 2 --jobs 2 --out demo/scratch-m2n2
	$(BIN)/evoniche run digits --start scratch --method ga --evaluations 10000 --runs 2 --jobs 2 --out demo/scratch-ga
	$(BIN)/evoniche run digits --start experts --method m2n2 --evaluations 1000 --runs 2 --jobs 2 --out demo/experts-m2n2
	$(BIN)/evoniche run digits --start experts --method ga --evaluations 1000 --runs 2 --jobs 2 --out demo/experts-ga
	$(BIN)/evoniche plot demo/scratch-* demo/experts-* --metric test --out demo/figure.png

test: .venv/.test
	$(BIN)/python -m pytest --quiet --numprocesses auto

lint: .venv/.test
	$(BIN)/ruff check .

types: .venv/.test
	$(BIN)/mypy

contracts: .venv/.test
	$(BIN)/lint-imports

# The wheel alone, in an environment that has nothing but its core dependencies.
wheel: .venv/.test
	rm -rf build/wheel build/smoke
	$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir build/wheel .
	$(PYTHON) -m venv build/smoke
	build/smoke/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt build/wheel/*.whl
	cd build && smoke/bin/python ../.ci/smoke.py

bench: .venv/.bench
	$(BIN)/python tests/benchmarks

# What baselines/results/digits.md publishes: the seeds 0 to 29 of each method and start; about two hours on two cores.
digits: .venv/.demo
	for method in m2n2 m2n2-no-crossover ga-no-crossover ga; do \
		$(BIN)/evoniche run digits --start scratch --method $$method --runs 30 --jobs 2 --out runs/scratch-$$method || exit; \
	done
	for method in m2n2 m2n2-no-attraction m2n2-no-split-point ga; do \
		$(BIN)/evoniche run digits --start experts --method $$method --runs 30 --jobs 2 --out runs/experts-$$method || exit; \
	done
	$(BIN)/evoniche plot runs/scratch-* runs/experts-* --out runs/digits.png
	$(BIN)/python -m evoniche_baselines.problems.digits.report runs/scratch-* runs/experts-*

clean:
	rm -rf .venv build dist demo

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.demo: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[baselines]'
	touch $@

.venv/.test: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[all,test,lint]'
	touch $@ .venv/.demo

.venv/.bench: .venv/.test
	$(PIP) --editable '.[all,test,lint,bench]'
	touch $@
