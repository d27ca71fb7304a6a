PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo merge-demo test lint types contracts fuzz wheel dist oldest bench bench-merge architectures rejection kills digits tiny-llm niching clean

# The main job, small: both starts of the digits experiment, M2N2 against a plain GA.
demo: .venv/.demo
	$(BIN)/evoniche compare digits --methods m2n2,ga --evaluations 10000 --runs 2 --jobs 2 --out demo/scratch
	$(BIN)/evoniche compare digits:start=experts --methods m2n2,ga --evaluations 1000 --runs 2 --jobs 2 --out demo/experts

# Real networks from disk to disk: two language models with a skill each, then four diffusion models. On one thread,
# since models as small as these are slower on several.
SKILLS := baselines/evoniche_baselines/problems/tiny_llm/tasks.py
UNETS := baselines/evoniche_baselines/problems/tiny_unet.py
merge-demo: export OMP_NUM_THREADS = 1
merge-demo: .venv/.merge
	$(BIN)/python -m evoniche_baselines.problems.tiny_llm demo/models
	$(BIN)/evoniche merge demo/models/arithmetic demo/models/protocol \
		--scorer $(SKILLS):arithmetic --scorer $(SKILLS):protocol \
		--held-out $(SKILLS):arithmetic_held_out --held-out $(SKILLS):protocol_held_out \
		--evaluations 200 --overwrite --out demo/merged
	$(BIN)/python -m evoniche_baselines.problems.tiny_unet demo/unets
	$(BIN)/evoniche merge demo/unets/rows demo/unets/columns demo/unets/chequers demo/unets/disc \
		--scorer $(UNETS):similarity --held-out $(UNETS):held_out --relative-scores --chromosomes attn \
		--evaluations 200 --overwrite --out demo/merged-unet
	$(BIN)/python -m evoniche_baselines.problems.tiny_unet --load demo/merged-unet

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

# What goes to an index: wheel and sdist in build/dist, with metadata that it takes.
dist:
	rm -rf build/dist build/release
	$(PYTHON) -m venv build/release
	build/release/bin/python -m pip --disable-pip-version-check install --quiet build twine
	build/release/bin/python -m build --outdir build/dist .
	build/release/bin/python -m twine check --strict build/dist/*

# The tests on the oldest versions that pyproject.toml states; Python 3.11, half an hour.
oldest:
	$(PYTHON) -m venv build/oldest
	build/oldest/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints-oldest.txt \
		--editable '.[all,test]'
	build/oldest/bin/python -m pytest --quiet -W default --ignore=tests/test_typing.py tests evoniche

# What docs/reliability.md publishes: runs killed a thousand times, and two thousand damaged stores; half an hour.
kills: .venv/.test
	$(BIN)/python tests/evolution/kills.py 1000
	$(BIN)/python tests/evolution/worker_kills.py 200
	$(BIN)/python tests/evolution/test_store_hostile.py 2000

# Damaged files of every kind that is read, also published there; five minutes.
fuzz: .venv/.test
	$(BIN)/python tests/fuzzing.py 6000

bench: .venv/.bench
	$(BIN)/python tests/benchmarks

# Merged checkpoints of a gigabyte beside mergekit, which gets an environment of its own; needs 4 GB of disk.
bench-merge: .venv/.bench
	$(PYTHON) -m venv build/mergekit
	build/mergekit/bin/python -m pip --disable-pip-version-check install --quiet mergekit==0.1.5 torch==2.13.0
	$(BIN)/python tests/benchmarks/checkpoints.py build/bench build/mergekit/bin/mergekit-yaml

# What docs/architectures.md publishes: two tiny models of each architecture merged and loaded; ten minutes.
architectures: .venv/.test
	$(BIN)/python tests/torch/architectures/architecture_table.py

# What early rejection spares: whole runs with and without it; ten minutes.
rejection: .venv/.bench
	$(BIN)/python tests/benchmarks/rejection.py

# What baselines/results/digits.md publishes: M2N2, its ablations, and the baselines; about four hours on two cores.
digits: .venv/.merge
	$(BIN)/python -m evoniche_baselines.literature digits runs/literature --jobs 2 --results runs/digits

# What baselines/results/niching.md publishes: the literature, then two comparisons in pictures; about an hour on two cores.
niching: .venv/.demo
	$(BIN)/python -m evoniche_baselines.literature niching runs/literature --jobs 2
	$(BIN)/evoniche compare max-sat:draw=planted --runs 10 --jobs 2 --out runs/max-sat --methods m2n2,random-mating,ga,tournament,\
	implicit-sharing,clearing,deterministic-crowding,restricted-tournament,lexicase,deap-ga
	$(BIN)/evoniche compare diagnostics:rate=1 --runs 3 --evaluations 50000 --jobs 2 --out runs/diagnostics \
		--methods m2n2,implicit-sharing,lexicase,tournament,ga

# What baselines/results/tiny_llm.md publishes: four methods, three seeds each; half an hour on two cores.
tiny-llm: .venv/.merge
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m evoniche_baselines.problems.tiny_llm.study runs/tiny-llm

clean:
	rm -rf .venv build dist demo

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.demo: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[baselines]'
	touch $@

.venv/.merge: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[baselines,llm,diffusion]'
	touch $@ .venv/.demo

.venv/.test: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[all,test,lint]'
	touch $@ .venv/.demo .venv/.merge

.venv/.bench: .venv/.test
	$(PIP) --editable '.[all,test,lint,bench]'
	touch $@
