"""Runs CMA-ES, as pycma has it, on the genome itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import cma
import numpy as np
from cma.sigma_adaptation import CMAAdaptSigmaCSA
from numpy.typing import NDArray

from evoniche.batches import Batch
from evoniche.randomness import generator
from evoniche_baselines.method import method
from evoniche_baselines.methods._common import LibraryRandomness
from evoniche_baselines.problem import Problem, RealVectors

__all__ = ["CmaSearch", "cma_es"]

_FULL = 1000  # numbers from which a covariance matrix is not adapted any more

_ENDS = {"tolx", "tolfacupx", "tolupsigma", "conditioncov", "tolconditioncov", "noeffectaxis", "noeffectcoord"}
"""The conditions of pycma for a step that is too small or too large, or a singular covariance."""


@method("CMA-ES", needs=("vector",))
def cma_es(
    problem: Problem, seed: int, *, batch_size: int = 20, std: float | None = None, covariance: str = "auto"
) -> CmaSearch:
    """Sample from a normal distribution and adapt it (Hansen and Ostermeier 2001), to maximise the mean score.

    Args:
        problem: A problem with real vectors.
        seed: Fixes the run.
        batch_size: lambda, the number of solutions in a generation.
        std: sigma_0, the first step size in the units of the vector; by default the problem's own.
        covariance: "full", "diagonal", or "none" to adapt the step size only. "auto" is "full" up to 1,000 numbers in
            a vector, and "none" beyond. There the learning rate of the covariance, of the order of 1 / n**2 with n
            numbers, is so small that the covariance hardly changes in any affordable number of evaluations.

    Raises:
        ValueError: The covariance is none of these.
    """
    vector = problem.vector
    assert vector is not None, "the method needs it"
    if covariance not in ("auto", "full", "diagonal", "none"):
        raise ValueError(f"covariance must be 'auto', 'full', 'diagonal' or 'none', got {covariance!r}.")
    if covariance == "auto":
        covariance = "full" if vector.size <= _FULL else "none"
    return CmaSearch(vector, vector.decode, seed, batch_size, std, covariance)


class CmaSearch:
    """Makes a `Search` of pycma. When it has converged or cannot go on, it begins anew from another point.

    It goes on after generations of equal fitness, where pycma would stop, because scores often come in steps.

    Args:
        vector: Describes the vectors that are searched.
        decode: A function that makes a batch of genomes of vectors (n, size).
        seed: Fixes the run.
        batch_size: The number of solutions in a generation.
        std: The first step size; None means that of `vector`.
        covariance: "full", "diagonal" or "none".
    """

    def __init__(
        self,
        vector: RealVectors,
        decode: Callable[[NDArray[np.float64]], Batch],
        seed: int,
        batch_size: int,
        std: float | None,
        covariance: str,
    ) -> None:
        self._vector, self._decode, self._seed = vector, decode, seed
        self._std = vector.std if std is None else std
        bounds = [None if bound is None else np.broadcast_to(bound, vector.size).tolist()
                  for bound in (vector.low, vector.high)]
        self._options = {
            "popsize": batch_size,
            "bounds": bounds if any(bound is not None for bound in bounds) else None,
            "CMA_diagonal": covariance != "full",
            "CMA_on": 0 if covariance == "none" else 1,
            # As in the source; with many numbers pycma has another rule, which shrinks too soon if scores have steps.
            "AdaptSigma": CMAAdaptSigmaCSA,
            "maxstd_boundrange": np.inf,  # in one dimension pycma fails at this limit, and it binds in no other here
            "seed": np.nan,  # pycma draws from numpy's global generator, which is its own here
            "verbose": -9,
        }
        self._randomness = LibraryRandomness(seed)
        self._starts = 0
        self._begin()
        self._asked: list[NDArray[np.float64]] = []
        self._alive: tuple[Batch, NDArray[Any]] | None = None

    def ask(self) -> Batch:
        """Return the genomes of the next generation."""
        with self._randomness(), warnings.catch_warnings(action="ignore"):
            if _ENDS & self._search.stop().keys():
                self._begin()
            self._asked = self._search.ask()
        self._genomes = self._decode(np.array(self._asked))
        return self._genomes

    def tell(self, scores: NDArray[Any]) -> None:
        """Take the scores of a generation, shape (n, cases); pycma minimises the negative mean."""
        with self._randomness(), warnings.catch_warnings(action="ignore"):
            self._search.tell(self._asked, (-scores.mean(axis=1, dtype=np.float64)).tolist())
        self._alive = self._genomes, scores

    def members(self) -> tuple[Batch, NDArray[Any]]:
        """Return the genomes and scores of the generation told last."""
        assert self._alive is not None, "tell comes first"
        return self._alive

    def _begin(self) -> None:
        start = self._vector.start(generator(self._seed, self._starts))
        self._starts += 1
        self._search = cma.CMAEvolutionStrategy(np.asarray(start, dtype=np.float64), self._std, self._options)
