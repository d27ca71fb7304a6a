"""A problem says what it offers, and a method what it needs; a method runs on the problems that offer it all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from evoniche.batches import Batch
from evoniche.roles import Crossover, Genome, Mutation, Scorer

__all__ = ["LARGEST", "NEEDS", "Descriptor", "Problem", "RealVectors"]

LARGEST = 1_000_000
"""The most variables, cases or members of a built-in problem: a slip of the pen must not take all memory."""

NEEDS = {
    "cases": "more than one case for solutions to compete for",
    "distance": "a distance between genomes and a radius of niches",
    "descriptor": "a behaviour descriptor with a grid",
    "vector": "genomes that are vectors of real numbers",
    "crossover": "a crossover",
    "mutation": "a mutation",
    "seeds": "seed solutions to begin with",
}
"""The properties that a method may need of a problem, each with its meaning."""


@final
@attrs.frozen(eq=False)
class Descriptor:
    """A behaviour descriptor: it says of what kind a solution is, not how good. It spans the grid of MAP-Elites.

    Args:
        measure: A function `f(genomes, scores)` that returns the place on each axis, shape (n, axes).
        low: The lower end of each axis.
        high: The upper end of each axis.
        cells: The number of cells on each axis.

    >>> ones = Descriptor(lambda genomes, scores: genomes.sum(axis=1, keepdims=True), low=(0,), high=(8,), cells=(4,))
    >>> ones.cell(np.array([[0, 1, 0], [1, 1, 1]]), scores=np.zeros((2, 1)))
    array([0, 1])
    """

    measure: Callable[[Batch, NDArray[Any]], ArrayLike]
    low: tuple[float, ...]
    high: tuple[float, ...]
    cells: tuple[int, ...]

    def cell(self, genomes: Batch, scores: NDArray[Any]) -> NDArray[np.intp]:
        """Return the number of each solution's cell, shape (n,). Solutions outside the grid go to the nearest cell."""
        low, high, cells = map(np.asarray, (self.low, self.high, self.cells))
        measured = np.asarray(self.measure(genomes, scores), dtype=np.float64)  # (n, axes)
        place = ((measured - low) / (high - low) * cells).astype(np.intp)
        return np.ravel_multi_index(tuple(np.clip(place, 0, cells - 1).T), self.cells)


@final
@attrs.frozen(eq=False)
class RealVectors:
    """Describes solutions as vectors of real numbers, for methods that search such vectors only (CMA-ES, say).

    Args:
        size: The length of a vector.
        start: A function `f(rng)` that returns the point where a search begins, shape (size,).
        std: The standard deviation of the first steps, in the units of the vector.
        low: The lower bound: one number, or one for each place. None means no bound.
        high: The upper bound, likewise.
        decode: A function that makes a batch of genomes of vectors (n, size). By default the vectors are the genomes.
    """

    size: int
    start: Callable[[Generator], NDArray[np.floating]]
    std: float
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    decode: Callable[[NDArray[np.float64]], Batch] = lambda vectors: vectors


@final
@attrs.frozen(eq=False, kw_only=True)
class Problem:
    """A problem on which methods are compared.

    Everything random in it (an instance, say) must follow from its options, so that every run of a comparison, also in
    another process, works on the same problem.

    Args:
        name: The name for a reader, with the options.
        genome: The representation. Methods may use its `distance` where the problem has a `radius`.
        scorer: Returns scores of shape (n, cases): finite, never negative, higher is better.
        cases: The number of cases.
        crossover: Makes a child of two parents; None where crossover makes no sense.
        mutation: Changes a child; None where nothing is mutated.
        initial: The genomes that every run begins with, or the number of random ones. By default a run begins with
            `population_size` random genomes. A function `f(seed)` makes the genomes for the run with this seed.
        population_size: The number of members, unless the comparison sets it.
        target: The mean score at which the problem counts as solved; None where it is not known.
        best_known: The highest mean score that is known to be possible; by default the target.
        held_out: Scores the best solution on cases that no method has seen.
        radius: The greatest distance between two solutions of one niche.
        descriptor: The behaviour descriptor, for MAP-Elites and CMA-ME.
        vector: Describes the genomes as vectors of real numbers, where they are such vectors.
        niches: A function `f(genomes, scores)` that counts the distinct niches which these solutions hold.
        finds: A function `f(genomes, scores)` that returns the positions of one solution for each niche held.
            With it a comparison tells `niches_found`, the niches ever found, whether or not they were held.
        metrics: More metrics of the solutions alive: name -> `f(genomes, scores)`.
        details: A function `f(genomes, scores)` that returns name -> value. It is called once, on the solutions alive
            at the end. Its values go into the tables of a comparison, and not into the pictures.
        stepwise: Whether an `Evolution` asks for the first genomes in batches of its own size, as `Evolution.run` does,
            or for all at once. The two ways draw different random numbers; nothing else differs.
        threshold: The score from which a case counts as solved, in coverage and entropy.
        seeds: Whether the `initial` genomes are solutions worth mixing, such as trained models or specialists.

    >>> from evoniche import BinaryGenome
    >>> problem = Problem(name="8 ones", genome=BinaryGenome(8), scorer=lambda genomes: genomes * 1.0, cases=8)
    >>> sorted(problem.offers)
    ['cases']
    """

    name: str
    genome: Genome
    scorer: Scorer | Callable[[Batch], Any]
    cases: int
    crossover: Crossover | Callable[[Any, Any, Generator], Any] | None = None
    mutation: Mutation | Callable[[Any, Generator], Any] | None = None
    initial: Batch | int | Callable[[int], Batch] | None = None
    population_size: int = 100
    target: float | None = None
    best_known: float | None = attrs.field(default=attrs.Factory(lambda self: self.target, takes_self=True))
    held_out: Scorer | Callable[[Batch], Any] | None = None
    radius: float | None = None
    descriptor: Descriptor | None = None
    vector: RealVectors | None = None
    niches: Callable[[Batch, NDArray[Any]], int] | None = None
    finds: Callable[[Batch, NDArray[Any]], NDArray[np.intp]] | None = None
    metrics: Mapping[str, Callable[[Batch, NDArray[Any]], float]] = attrs.field(factory=dict)
    details: Callable[[Batch, NDArray[Any]], Mapping[str, float]] | None = None
    stepwise: bool = False
    threshold: float = 0.5
    seeds: bool = False

    def begun(self, seed: int) -> Problem:
        """Return the problem for the run with this seed: where `initial` is a function, its result takes its place."""
        return attrs.evolve(self, initial=self.initial(seed)) if callable(self.initial) else self

    @property
    def offers(self) -> frozenset[str]:
        """The keys of `NEEDS` that the problem offers."""
        met = {
            "cases": self.cases > 1,
            "distance": self.radius is not None,
            "descriptor": self.descriptor is not None,
            "vector": self.vector is not None,
            "crossover": self.crossover is not None,
            "mutation": self.mutation is not None,
            "seeds": self.seeds,
        }
        return frozenset(need for need, is_met in met.items() if is_met)
