"""Maximal covering location: place a few facilities so that most customers have one near by."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, eye_array, hstack

from evoniche import CaseScorer, Crossover, Genome, Mutation
from evoniche._validators import whole, whole_number
from evoniche.randomness import generator
from evoniche_baselines.problem import LARGEST, Problem

__all__ = ["CoverageScorer", "ExchangeMutation", "SubsetCrossover", "SubsetGenome", "best_coverage", "coverage"]

_PLACES = tuple(b"coverage")  # an instance shares no random number with a run whose seed is the same


def coverage(
    sites: int = 50, chosen: int = 5, customers: int = 200, radius: float = 0.2, instance: int = 0
) -> Problem:
    """Make the problem to choose p of m sites, in which each customer is a case (Church and ReVelle 1974).

    A case is solved if a chosen site reaches the customer. Sites and customers are drawn uniformly in the unit square.
    The target is the exact optimum, found by mixed integer programming. Solutions of one niche have more than half of
    their sites in common.

    Args:
        sites: m, the number of sites, >= 2.
        chosen: p, the number of chosen sites, from 1 to m - 1.
        customers: The number of customers, >= 1.
        radius: The distance that a site reaches, > 0; the square has sides of length 1.
        instance: The number of the draw, >= 0.

    Raises:
        ValueError: A number is out of range.

    >>> coverage(sites=10, chosen=2, customers=20).target
    0.4
    """
    whole_number("sites", sites, 2)
    whole_number("customers", customers, 1)
    whole_number("sites times customers", sites * customers, 1, LARGEST)
    if whole_number("chosen", chosen, 1) >= sites:
        raise ValueError(f"chosen must be less than the {sites} sites, got {chosen}.")
    if not 0 < radius < np.inf:
        raise ValueError(f"radius must be a number > 0, got {radius!r}.")
    reach = _reach(sites, customers, float(radius), whole_number("instance", instance, 0))
    return Problem(
        name=f"coverage ({chosen} of {sites} sites, {customers} customers, instance {instance})",
        genome=SubsetGenome(sites, chosen),
        scorer=CoverageScorer(reach),
        cases=customers,
        crossover=SubsetCrossover(),
        mutation=ExchangeMutation(),
        target=_optimum(sites, chosen, customers, float(radius), instance) / customers,
        radius=chosen / 2,
    )


def _reach(sites: int, customers: int, radius: float, instance: int) -> NDArray[np.bool_]:
    """Say which customers each site of an instance reaches, shape (sites, customers)."""
    rng = generator(instance, *_PLACES)
    places, homes = rng.random((sites, 2)), rng.random((customers, 2))
    near: NDArray[np.bool_] = np.linalg.norm(places[:, None] - homes, axis=2) <= radius
    return near


@lru_cache
def _optimum(sites: int, chosen: int, customers: int, radius: float, instance: int) -> int:
    return best_coverage(_reach(sites, customers, radius, instance), chosen)


def best_coverage(reach: NDArray[np.bool_], chosen: int) -> int:
    """Compute how many customers the best choice of sites covers.

    With x_i = 1 for a chosen site and y_j = 1 for a covered customer, the program maximises sum_j y_j subject to
    sum_i x_i = p and y_j <= sum of x_i over the sites that reach j. y may be fractional: the optimum sets it to 0 or 1.

    Args:
        reach: Which customers each site reaches, boolean of shape (sites, customers).
        chosen: p, the number of chosen sites.

    Raises:
        RuntimeError: The solver found no optimum.

    >>> best_coverage(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool), chosen=1)
    2
    """
    sites, customers = reach.shape
    allowed = hstack([csr_array(reach.T.astype(np.float64)), -eye_array(customers)])
    kinds = np.repeat([1, 0], [sites, customers])
    solved = milp(
        c=kinds - 1.0,
        integrality=kinds,
        bounds=Bounds(0, 1),
        constraints=[LinearConstraint(allowed.tocsr(), lb=0), LinearConstraint(kinds[None], lb=chosen, ub=chosen)],
        options={"mip_rel_gap": 0},
    )
    if not solved.success:
        raise RuntimeError(f"no optimum was found: {solved.message}")
    return round(-solved.fun)


@final
@attrs.frozen
class SubsetGenome(Genome):
    """Subsets of `chosen` of `size` things; a batch is a boolean array of shape (n, size).

    Args:
        size: The number of things, >= 1.
        chosen: The number of chosen ones, >= 1.

    >>> SubsetGenome(size=5, chosen=2).sample(3, rng=np.random.default_rng(0)).sum(axis=1)
    array([2, 2, 2])
    """

    size: int = attrs.field(validator=whole(1))
    chosen: int = attrs.field(validator=whole(1))

    def sample(self, n: int, *, rng: Generator) -> NDArray[np.bool_]:
        """Draw n subsets, all equally likely; shape (n, size), with `chosen` True in each row."""
        return _highest(rng.random((n, self.size)), self.chosen)

    def distance(self, a: NDArray[np.bool_], b: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Count the things of one subset that are not in the other, shape (len(a), len(b))."""
        common: NDArray[np.float64] = np.asarray(a, dtype=np.float64) @ np.asarray(b, dtype=np.float64).T
        return self.chosen - common

    def pack(self, batch: NDArray[np.bool_]) -> Mapping[str, NDArray[np.generic]]:
        """Store the batch as one array, "genomes"."""
        return {"genomes": np.asarray(batch)}

    def unpack(self, arrays: Mapping[str, NDArray[np.generic]]) -> NDArray[np.generic]:
        """Return the batch, the array "genomes"."""
        return arrays["genomes"]


@final
@attrs.frozen
class SubsetCrossover(Crossover):
    """Keeps what both parents have, and draws the rest from what one of them has (Radcliffe 1993).

    So a child has as many things as each parent, and all are of a parent.

    >>> a, b = np.array([[1, 1, 0, 0, 0]], dtype=bool), np.array([[1, 0, 1, 0, 0]], dtype=bool)
    >>> child = SubsetCrossover().cross(a, b, rng=np.random.default_rng(0))
    >>> bool(child[0, 0]), int(child.sum()), bool(child[0, 3:].any())
    (True, 2, False)
    """

    def cross(self, a: NDArray[np.bool_], b: NDArray[np.bool_], *, rng: Generator) -> NDArray[np.bool_]:
        """Cross boolean arrays of shape (n, size) that have equally many True in each row."""
        return _highest(rng.random(a.shape) + a + b, int(a[0].sum()))


@final
@attrs.frozen
class ExchangeMutation(Mutation):
    """Exchanges one thing that is chosen for one that is not, both drawn uniformly.

    >>> mutant = ExchangeMutation().mutate(np.array([[True, True, False, False]]), rng=np.random.default_rng(0))
    >>> int(mutant.sum()), int(mutant[0, :2].sum())
    (2, 1)
    """

    def mutate(self, genomes: NDArray[np.bool_], *, rng: Generator) -> NDArray[np.bool_]:
        """Mutate a boolean array of shape (n, size) with a True and a False in each row."""
        order = rng.random(genomes.shape)
        mutants, row = genomes.copy(), np.arange(len(genomes))
        mutants[row, np.where(genomes, order, -1).argmax(axis=1)] = False
        mutants[row, np.where(genomes, -1, order).argmax(axis=1)] = True
        return mutants


def _highest(priorities: NDArray[np.float64], k: int) -> NDArray[np.bool_]:
    """Return True at the k highest numbers of each row."""
    highest = np.zeros(priorities.shape, dtype=np.bool_)
    np.put_along_axis(highest, np.argpartition(priorities, -k, axis=1)[:, -k:], True, axis=1)
    return highest


@final
@attrs.frozen(eq=False)
class CoverageScorer(CaseScorer):
    """Scores a choice of sites by the customers that it covers: 1 if a chosen site reaches the customer, else 0.

    Args:
        reach: Which customers each site reaches, boolean of shape (sites, customers).

    >>> reach = np.array([[True, True, False], [False, False, True]])
    >>> CoverageScorer(reach).score(np.array([[True, False]])) * 1
    array([[1, 1, 0]])
    """

    reach: NDArray[np.bool_] = attrs.field(repr=False)

    @property
    def cases(self) -> int:
        """How many customers."""
        return self.reach.shape[1]

    def score(self, genomes: NDArray[np.bool_], cases: NDArray[np.intp] | None = None) -> NDArray[np.bool_]:
        """Score choices of shape (n, sites) on some customers, or all; shape (n, customers)."""
        reach = self.reach if cases is None else self.reach[:, cases]
        covered: NDArray[np.bool_] = genomes.astype(np.float32) @ reach.astype(np.float32) > 0.5
        return covered
