"""The pyribs adapter at 100 members x 1,000 cases: milliseconds of pairing and of replacement, each to be below 2.

Pairing is one ask of a `MatingEmitter` for 100 children whose crossover returns the first parents as they are.
Replacement is one add to a full `NicheArchive`: of one solution (one that stays and one that leaves at once), and of
a batch of 100. `WorstReplacement` lets a batch in one after the other, each against the load of its moment;
`GenerationalReplacement` takes the batch at once.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
from measure import Row, breakdown, rounds, table
from numpy.typing import NDArray

import evoniche
from evoniche.adapters.ribs import MatingEmitter, NicheArchive

NAME = "pyribs adapter"
MEMBERS, CASES, BATCH, GENES = 100, 1_000, 100, 10
ROUNDS = 30
LIMIT = 2.0  # milliseconds


@attrs.frozen
class _Clone(evoniche.Crossover):
    """What costs nothing, so that the rest is measured."""

    def cross(self, a: evoniche.roles.Batch, b: evoniche.roles.Batch, *, rng: np.random.Generator) -> object:
        return a


def run() -> list[Row]:
    """Measure, and print milliseconds."""
    tasks: dict[str, Callable[[], object]] = {}
    for kind, graded in {"binary": False, "graded": True}.items():
        rng = np.random.default_rng(0)
        worst, generational = _full(graded), _full(graded, evoniche.GenerationalReplacement())
        emitter = MatingEmitter(worst, crossover=_Clone(), initial_solutions=np.zeros((1, GENES)), batch_size=BATCH)
        tasks[f"pairing of {BATCH}, {kind}"] = emitter.ask
        good, poor, many = (_scores(n, graded, level, rng) for n, level in ((1, 0.9), (1, 0.01), (BATCH, 0.9)))
        tasks[f"one that stays, {kind}"] = lambda a=worst, s=good: _add(a, s)
        tasks[f"one that leaves, {kind}"] = lambda a=worst, s=poor: _add(a, s)
        tasks[f"batch of {BATCH}, {kind}"] = lambda a=worst, s=many: _add(a, s)
        tasks[f"batch at once, {kind}"] = lambda a=generational, s=many: _add(a, s)
    milliseconds = {name: 1e3 * values for name, values in rounds(ROUNDS, tasks).items()}
    breakdown(f"pyribs adapter, {MEMBERS} members x {CASES} cases", milliseconds, "ms")
    return [Row(NAME, f"milliseconds, {name}", values, at_most=LIMIT) for name, values in milliseconds.items()]


def _full(graded: bool, replacement: evoniche.Replacement | None = None) -> NicheArchive:
    archive = NicheArchive(
        solution_dim=GENES,
        members=MEMBERS,
        extra_fields={"scores": ((CASES,), np.float64)},
        replacement=replacement,
        seed=0,
    )
    _add(archive, _scores(MEMBERS, graded, 0.5, np.random.default_rng(1)))
    return archive


def _scores(n: int, graded: bool, level: float, rng: np.random.Generator) -> NDArray[np.float64]:
    drawn = rng.random((n, CASES))
    return level * drawn if graded else (drawn < level).astype(float)


def _add(archive: NicheArchive, scores: NDArray[np.float64]) -> None:
    another = np.roll(scores, len(archive.population.scores) + archive.population.told, axis=1)
    archive.add(np.zeros((len(scores), GENES)), None, None, scores=another)


if __name__ == "__main__":
    print(table(run()))
