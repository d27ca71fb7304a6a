"""The roles: what an evolutionary algorithm is made of. Each has one verb; read this file first.

A *batch* is a number of genomes: an array with a leading axis, a list of objects, or a batch type of its own.
`rng` is a `numpy.random.Generator`, always the last argument and the only source of randomness.

`G` is the type of one genome: `Genome[G]`, `Crossover[G]` and `Evolution[G]` have to agree about it, so that a type
checker finds a crossover that returns something else. `class MyCrossover(Crossover)` leaves it open.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sized
from typing import Any, Generic

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.batches import Batch, G, as_batch
from evoniche.population import Offspring, Population

__all__ = ["CaseScorer", "Crossover", "G", "Genome", "MateSelector", "Mutation", "Replacement", "Scorer", "Selector"]
__all__ += ["Sharing"]


class Genome(ABC, Generic[G]):
    """A representation: how candidate solutions are made and, where an operator asks for it, compared and stored."""

    __slots__ = ()

    @abstractmethod
    def sample(self, n: int, *, rng: Generator) -> Batch:
        """A batch of n random genomes."""

    def batch(self, genomes: Any) -> Batch:
        """Genomes as a user has them, as a batch of this representation; a ValueError when they are none."""
        return as_batch(genomes)

    def repair(self, batch: Batch, *, rng: Generator) -> Batch:
        """Children as operators made them, brought back inside of the bounds; without bounds, as they are."""
        return batch

    def distance(self, a: Batch, b: Batch) -> NDArray[np.floating]:
        """How far apart each genome of a is from each of b.

        Returns:
            Shape (len(a), len(b)), never negative, 0 between equal genomes; a NotImplementedError without a distance.
        """
        name = type(self).__name__
        raise NotImplementedError(f"{name} has no distance: define distance(a, b), or choose distance='scores'.")

    def pack(self, batch: Batch) -> Mapping[str, NDArray[np.generic]]:
        """The batch as named arrays without object dtype, for a file; a NotImplementedError when it cannot be."""
        raise NotImplementedError(f"{type(self).__name__} cannot be stored: define pack(batch) and unpack(arrays).")

    def unpack(self, arrays: Mapping[str, NDArray[np.generic]]) -> Batch:
        """The batch that `pack` made these arrays of."""
        raise NotImplementedError(f"{type(self).__name__} cannot be stored: define pack(batch) and unpack(arrays).")


class Scorer(ABC, Generic[G]):
    """What is asked of a solution."""

    __slots__ = ()

    @abstractmethod
    def score(self, genomes: Batch) -> NDArray[Any]:
        """Score a batch on all cases.

        Returns:
            Shape (n, cases): higher is better, never negative, finite.
        """


class CaseScorer(Scorer[G]):
    """A scorer that can look at some cases without the others, none of which gives more than `highest`."""

    __slots__ = ()
    highest: float = 1.0

    @property
    @abstractmethod
    def cases(self) -> int:
        """How many cases there are."""

    @abstractmethod
    def score(self, genomes: Batch, cases: NDArray[np.intp] | None = None) -> NDArray[Any]:
        """Score a batch on some cases, by their numbers from 0 on; on all when None. Shape (n, len(cases))."""


class Sharing(ABC):
    """How scores become fitness when solutions compete for cases."""

    __slots__ = ()

    @abstractmethod
    def fitness(self, population: Population) -> NDArray[np.floating]:
        """The fitness of every member, shape (members,), never negative."""


class Selector(ABC):
    """Who breeds."""

    __slots__ = ()

    @abstractmethod
    def select(self, population: Population, n: int, *, rng: Generator) -> NDArray[np.intp]:
        """Positions of n first parents, shape (n,); there may be one member alone, and scores that are all zero."""


class MateSelector(ABC):
    """With whom."""

    __slots__ = ()

    @abstractmethod
    def mates(self, population: Population, first: NDArray[np.intp], *, rng: Generator) -> NDArray[np.intp]:
        """Positions of the mates of the first parents at positions `first`, shape (n,); else as `Selector.select`."""


class Crossover(ABC, Generic[G]):
    """How two parents become a child."""

    __slots__ = ()

    @abstractmethod
    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Sized:
        """A batch of n children of n first parents a and their mates b, which stay as they are."""


class Mutation(ABC, Generic[G]):
    """How a child differs from what it inherits."""

    __slots__ = ()

    @abstractmethod
    def mutate(self, genomes: Batch, *, rng: Generator) -> Sized:
        """A batch of mutants of these genomes, which stay as they are."""


class Replacement(ABC):
    """Who survives."""

    __slots__ = ()

    @abstractmethod
    def replace(self, population: Population, offspring: Offspring) -> None:
        """Let scored offspring into the population, and members out until at most `population.limit` are left.

        A replacement that draws has `offspring.generator()`.
        """
