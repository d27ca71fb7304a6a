"""Runs in an environment with the wheel and its core dependencies alone."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import evoniche
from evoniche.testing import check_crossover

for optional in ("torch", "transformers", "matplotlib", "click", "sklearn", "pymoo", "deap"):
    assert importlib.util.find_spec(optional) is None, f"{optional} is installed: this is no clean environment"
assert "site-packages" in evoniche.__file__, evoniche.__file__
assert (Path(evoniche.__file__).parent / "py.typed").exists()
assert importlib.util.find_spec("evoniche_baselines.problems") is not None
assert (Path(evoniche.__file__).parent.parent / "evoniche_torch/py.typed").exists()
assert (Path(evoniche.__file__).parent.parent / "evoniche_baselines/problems/digits/experts.npz").exists()

evolution = evoniche.m2n2(
    lambda genomes: genomes.astype(float),
    genome=evoniche.BinaryGenome(20),
    crossover=evoniche.UniformCrossover(),
    mutation=evoniche.BitFlipMutation(),
    seed=0,
)
result = evolution.run(evaluations=2_000, target=1.0, progress=False)
assert result.stopped == "target", result
check_crossover(evoniche.UniformCrossover(), evolution.population.genomes)

command = subprocess.run([Path(sys.executable).with_name("evoniche")], capture_output=True, text=True, check=False)
assert command.returncode == 1, command
assert "pip install 'evoniche[cli]'" in command.stderr, command.stderr
print("wheel: 1 passed, 0 failed")
