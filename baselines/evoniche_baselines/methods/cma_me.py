"""Runs CMA-ME, as pyribs has it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from ribs.archives import GridArchive
from ribs.emitters import EvolutionStrategyEmitter
from ribs.schedulers import Scheduler

from evoniche.batches import Batch
from evoniche.randomness import generator
from evoniche_baselines.method import method
from evoniche_baselines.methods._common import columns
from evoniche_baselines.problem import Problem

_FULL = 1000  # numbers from which a covariance matrix is too large


@method("CMA-ME", needs=("descriptor", "vector"))
def cma_me(problem: Problem, seed: int, *, emitters: int = 5, batch_size: int = 20) -> _CmaMe:
    """Search with CMA-ES emitters that are rewarded for improving the archive (Fontaine et al. 2020).

    With vectors of 1,000 numbers or more, the covariance is diagonal (sep-CMA-ES), because each emitter would need
    several full matrices.

    Args:
        problem: A problem with a descriptor and real vectors.
        seed: Fixes the run.
        emitters: The number of emitters.
        batch_size: The number of solutions in a generation of each emitter.
    """
    return _CmaMe(problem, seed, emitters, batch_size)


class _CmaMe:
    def __init__(self, problem: Problem, seed: int, emitters: int, batch_size: int) -> None:
        axes, vector = problem.descriptor, problem.vector
        assert axes is not None, "the method needs it"
        assert vector is not None, "the method needs it"
        self._measure, self._decode = axes.measure, vector.decode
        self._archive = GridArchive(
            solution_dim=vector.size,
            dims=axes.cells,
            ranges=[*zip(axes.low, axes.high, strict=True)],
            extra_fields={"scores": ((problem.cases,), np.float64)},
            seed=seed,
        )
        low, high = (None if x is None else np.broadcast_to(x, vector.size) for x in (vector.low, vector.high))
        seeds = np.random.SeedSequence(seed).generate_state(emitters)
        self._scheduler = Scheduler(self._archive, [
            EvolutionStrategyEmitter(
                self._archive,
                x0=vector.start(generator(seed, number)),
                sigma0=vector.std,
                es="cma_es" if vector.size < _FULL else "sep_cma_es",
                lower_bounds=low,
                upper_bounds=high,
                batch_size=batch_size,
                seed=int(own),
            )
            for number, own in enumerate(seeds)
        ])  # fmt: skip
        self._asked: Batch = ()

    def ask(self) -> Batch:
        self._asked = self._decode(self._scheduler.ask())
        return self._asked

    def tell(self, scores: NDArray[Any]) -> None:
        measures = np.asarray(self._measure(self._asked, scores), dtype=np.float64)
        self._scheduler.tell(scores.mean(axis=1, dtype=np.float64), measures, scores=scores)

    def members(self) -> tuple[Batch, NDArray[Any]]:
        solutions, scores = columns(self._archive, ["solution", "scores"])
        return self._decode(solutions), scores
