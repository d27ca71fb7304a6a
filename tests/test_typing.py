"""What a type checker tells a user: README's programs pass it, and a part that returns something else does not."""

import re
import sys
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

START = """
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
import evoniche

Plan = tuple[int, ...]

def sample(rng: Generator) -> Plan:
    return (1, 2)

plans = evoniche.ObjectGenome(sample)
"""

WRONG = {
    "a crossover that returns an int": """
def cross(a: Plan, b: Plan, rng: Generator) -> int:
    return 1

evoniche.m2n2(genome=plans, crossover=cross)
""",
    "a mutation of something else": """
def mutate(word: str, rng: Generator) -> str:
    return word

evoniche.Evolution(plans, crossover=None, mutation=mutate)
""",
    "an array crossover that returns an int": """
def cross(a: NDArray[np.float64], b: NDArray[np.float64], rng: Generator) -> int:
    return 1

evoniche.ga(genome=evoniche.RealGenome(3), crossover=cross)
""",
    "an operator class that returns an int": """
class Wrong(evoniche.Crossover):
    def cross(self, a: NDArray[np.float64], b: NDArray[np.float64], *, rng: Generator) -> int:
        return 1
""",
    "an operator class of another genome": """
class OfText(evoniche.Crossover[str]):
    def cross(self, a: list[str], b: list[str], *, rng: Generator) -> list[str]:
        return a

evoniche.m2n2(genome=plans, crossover=OfText())
""",
    "a scorer that returns nothing": """
def score(plans: list[Plan]) -> None:
    return None

evoniche.m2n2(score, genome=plans, crossover=None)
""",
    "a best that is taken for another genome": """
result = evoniche.m2n2(genome=plans, crossover=None).result()
assert result.best is not None
number: float = result.best.genome
""",
}

RIGHT = """
def cross(a: Plan, b: Plan, rng: Generator) -> Plan:
    return a[:1] + b[1:]

class Halves(evoniche.Crossover[NDArray[np.float64]]):
    def cross(self, a: NDArray[np.float64], b: NDArray[np.float64], *, rng: Generator) -> NDArray[np.float64]:
        return a

evolution = evoniche.m2n2(genome=plans, crossover=cross)
result = evolution.run(total=10)
assert result.best is not None
plan: Plan = result.best.genome
evoniche.Evolution(evoniche.RealGenome(3), crossover=Halves(), mutation=evoniche.GaussianMutation(0.1)).run(10)
"""


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """What mypy --strict says of several programs: its lines for each, all in one go, since the start costs most."""
    folder = tmp_path_factory.mktemp("typed")

    def run(programs):
        files = {name: folder / f"program{i}.py" for i, name in enumerate(programs)}
        for name, text in programs.items():
            files[name].write_text(text)
        options = ["--strict", "--no-error-summary", "--cache-dir", str(folder / "cache"), "--config-file", ""]
        ignored = ["--disable-error-code", "import-untyped"]  # of pymoo
        out, err, _ = api.run([*options, *ignored, "--python-executable", sys.executable, *map(str, files.values())])
        assert not err, err
        return {name: [line for line in out.splitlines() if file.name in line] for name, file in files.items()}

    return run


def test_mypy_helps_a_user(check):
    readme = "\n".join(BLOCK.findall((ROOT / "README.md").read_text()))
    said = check({"README": readme, "right": START + RIGHT} | {name: START + text for name, text in WRONG.items()})
    assert said.pop("README") == []
    assert said.pop("right") == []
    assert {name for name, lines in said.items() if not any("error:" in line for line in lines)} == set()
