"""What a method is given: a problem says what it offers, and methods say what they need of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from evoniche.batches import Batch
from evoniche.roles import Crossover, Genome, Mutation, Scorer

__all__ = ["NEEDS", "Descriptor", "Problem", "RealVectors"]

NEEDS = {
    "cases": "more than one case for solutions to compete for",
    "distance": "a distance between genomes and a radius of niches",
    "descriptor": "a behaviour descriptor with a grid",
    "vector": "genomes that are vectors of real numbers",
    "crossover": "a crossover",
    "mutation": "a mutation",
    "seeds": "seed solutions to begin with",
}
"""What a method may need of a problem, and what that means."""


@final
@attrs.frozen(eq=False)
class Descriptor:
    """What kind of solution it is, as opposed to how good: the axes of MAP-Elites' grid.

    Args:
        measure: `f(genomes, scores)` of shape (n, len(cells)).
        low: The lower end of each axis.
        high: The upper end of each axis.
        cells: How many cells each axis has.
    """

    measure: Callable[[Batch, NDArray[Any]], ArrayLike]
    low: tuple[float, ...]
    high: tuple[float, ...]
    cells: tuple[int, ...]

    def cell(self, genomes: Batch, scores: NDArray[Any]) -> NDArray[np.intp]:
        """The number of each solution's cell, shape (n,); what lies outside counts to the cell at the edge."""
        low, high, cells = map(np.asarray, (self.low, self.high, self.cells))
        measured = np.asarray(self.measure(genomes, scores), dtype=np.float64)  # (n, axes)
        place = ((measured - low) / (high - low) * cells).astype(np.intp)
        return np.ravel_multi_index(tuple(np.clip(place, 0, cells - 1).T), self.cells)


@final
@attrs.frozen(eq=False)
class RealVectors:
    """How the genomes are vectors of real numbers, for methods that know nothing else.

    Args:
        size: Numbers in a vector.
        start: `f(rng)`: where a search begins, shape (size,).
        std: How far it looks at first.
        low: Lower bound, one number or one for each place; None for none.
        high: Upper bound.
        decode: Vectors of shape (n, size) as a batch of genomes; the vectors themselves unless given.
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
    """A problem that methods are compared on.

    Whatever is drawn to make it (an instance, say) follows from its options, so every run of a comparison is about the
    same problem, also in another process.

    Args:
        name: As a reader should see it: name and options.
        genome: The representation. Its `distance` serves where there is a `radius`.
        scorer: Scores (n, cases), finite, never negative, higher is better.
        cases: How many.
        crossover: For two parents; None where there is none that makes sense.
        mutation: For one child; None where nothing is mutated.
        initial: What every run begins with, or how many random genomes; as many as there are members when None. A
            function `f(seed)` makes what a run of this seed begins with.
        population_size: Members, unless the comparison says otherwise.
        target: The mean score at which the problem is solved; None where nobody knows.
        held_out: Scores the best on cases that no method has seen.
        radius: How far apart two solutions of one niche may be.
        descriptor: What MAP-Elites illuminates.
        vector: The genomes as vectors of real numbers.
        niches: `f(genomes, scores)`: how many distinct niches these solutions hold.
        metrics: More to report of the solutions alive: name -> `f(genomes, scores)`.
        details: `f(genomes, scores)` -> name -> value: what is measured of the last solutions alive, once. It goes into
            the tables of a comparison, and not into its pictures.
        stepwise: Whether an `Evolution` is asked for the first genomes in its own batches, as `Evolution.run` does, and
            not for all at once. A run draws other numbers then, and is otherwise the same.
        threshold: The score from which a case counts as solved, in coverage and entropy.
        seeds: Whether `initial` are solutions worth mixing (trained models, specialists).
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
    held_out: Scorer | Callable[[Batch], Any] | None = None
    radius: float | None = None
    descriptor: Descriptor | None = None
    vector: RealVectors | None = None
    niches: Callable[[Batch, NDArray[Any]], int] | None = None
    metrics: Mapping[str, Callable[[Batch, NDArray[Any]], float]] = attrs.field(factory=dict)
    details: Callable[[Batch, NDArray[Any]], Mapping[str, float]] | None = None
    stepwise: bool = False
    threshold: float = 0.5
    seeds: bool = False

    def begun(self, seed: int) -> Problem:
        """This problem as a run of this seed has it, in which `initial` is no function."""
        return attrs.evolve(self, initial=self.initial(seed)) if callable(self.initial) else self

    @property
    def offers(self) -> frozenset[str]:
        """Which of `NEEDS` are met."""
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
