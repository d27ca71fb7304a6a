"""One steady-state step on the digits from scratch, over the bare scoring call: what the library adds to the work.

The step is `ask`, `score`, `tell` as in `evoniche compare digits --methods m2n2`: population 20 and full, split SLERP,
Gaussian mutation of all 19,210 weights, 1,437 images. The bare call scores members of the same population, one by
one. One BLAS thread: the products are too small to share, and runs go side by side.

The bare numpy loop is the same algorithm without a library around it: no checks, no exchangeable parts, one kind of
genome and of scores, nothing that can be undone. It says how much of the rest is the arithmetic itself.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np
from measure import Row, breakdown, rounds, table
from threadpoolctl import threadpool_limits

import evoniche
from evoniche.randomness import generator, normal32
from evoniche_baselines.problems.digits import PARAMETERS, DigitsScorer, digits_genome

NAME = "digits step"
CHUNK = 100  # steps, or calls, timed together
ROUNDS = 30
WARM_UP = 2_000  # evaluations; by then the population is full and its members differ


def run() -> list[Row]:
    """Measure, and print where a step goes."""
    scorer, _ = DigitsScorer.load()
    evolution = evoniche.m2n2(
        scorer, genome=digits_genome(), initial=2, mutation=evoniche.GaussianMutation(0.01), population_size=20, seed=0
    )
    parts: list[tuple[float, float, float]] = []

    def step(_: int) -> None:
        start = perf_counter()
        children = evolution.ask(1)
        asked = perf_counter()
        scores = scorer.score(children.genomes)
        scored = perf_counter()
        evolution.tell(children, scores)
        parts.append((asked - start, scored - asked, perf_counter() - scored))

    with threadpool_limits(1):
        evolution.run(WARM_UP, progress=False)
        members, operators = np.array(evolution.population.genomes), evolution.parts
        rng = generator(0)
        seconds = rounds(
            ROUNDS,
            {
                "step": _chunk(step),
                "bare loop": _chunk(BareLoop(scorer, members, np.array(evolution.population.scores))),
                "bare": _chunk(lambda i: scorer.score(members[i % 20, None])),
                "mutation": _chunk(lambda i: operators.mutation.mutate(members[i % 20, None], rng=rng)),
                "draw": _chunk(lambda _: normal32((1, PARAMETERS), rng=rng)),
                "crossover": _chunk(lambda i: operators.crossover.cross(members[i % 20, None], members[:1], rng=rng)),
            },
        )
    each = {name: values / CHUNK * 1e6 for name, values in seconds.items()}
    ask, score, tell = np.array(parts[CHUNK:]).T * 1e6
    breakdown(
        "Where a step on the digits goes",
        {
            "the bare scoring call": each["bare"],
            "the step": each["step"],
            "the step of a bare numpy loop": each["bare loop"],
            "- score": score,
            "- ask": ask,
            "  - mutation": each["mutation"],
            "    - the draw of 19,210 normal numbers": each["draw"],
            "  - crossover": each["crossover"],
            "- tell": tell,
        },
        "us",
    )
    return [
        Row(NAME, "ask + score + tell / scoring alone", seconds["step"] / seconds["bare"], at_most=1.35),
        Row(NAME, "the same, bare numpy loop / scoring alone", seconds["bare loop"] / seconds["bare"]),
        Row(NAME, "the draw of 19,210 normal numbers / scoring alone", seconds["draw"] / seconds["bare"]),
    ]


class BareLoop:
    """M2N2 on binary scores in plain numpy, one step each call."""

    def __init__(self, scorer: DigitsScorer, genomes: np.ndarray, scores: np.ndarray) -> None:
        self.scorer = scorer
        self.genomes = np.vstack([genomes, genomes[:1]])  # (members + 1, size): the last row is the child
        self.scores = np.vstack([scores, scores[:1]])
        self.steps = 0

    def __call__(self, _: int) -> None:
        """Breed a child, score it, and let the least fit leave."""
        rng = generator(0, self.steps)
        self.steps += 1
        members, child = self.scores[:-1], self.genomes[-1]
        prices = 1 / (members.sum(axis=0) + 1e-8)
        first = _spin(members @ prices, rng)
        a = self.genomes[first]
        b = self.genomes[_spin(members @ (prices * (1 - members[first])), rng)]
        ratio, split = rng.random(), 1 + int(rng.random() * (PARAMETERS - 1))
        omega = np.arccos(np.clip(a @ b / np.sqrt(a @ a * (b @ b)), -1, 1))
        sine = np.sin(omega)
        for part, t in ((slice(0, split), ratio), (slice(split, None), 1 - ratio)):
            linear = sine < 1e-6
            wa, wb = (1 - t, t) if linear else (np.sin((1 - t) * omega) / sine, np.sin(t * omega) / sine)
            child[part] = np.float32(wa) * a[part] + np.float32(wb) * b[part]
        noise = normal32((PARAMETERS,), rng=rng)
        noise *= np.float32(0.01)
        child += noise
        self.scores[-1] = self.scorer.score(child[None])[0]
        least = int((self.scores @ (1 / (self.scores.sum(axis=0) + 1e-8))).argmin())
        self.genomes[least], self.scores[least] = child, self.scores[-1]


def _spin(weights: np.ndarray, rng: np.random.Generator) -> int:
    cumulated = weights.cumsum()
    return min(int(cumulated.searchsorted(rng.random() * cumulated[-1], side="right")), len(weights) - 1)


def _chunk(task: Callable[[int], object]) -> Callable[[], None]:
    def repeat() -> None:
        for i in range(CHUNK):
            task(i)

    return repeat


if __name__ == "__main__":
    print(table(run()))
