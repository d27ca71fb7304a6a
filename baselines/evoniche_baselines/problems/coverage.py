"""Maximal covering location: where to put a few facilities so that most customers have one near by."""

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

from evoniche import Crossover, Genome, Mutation, Scorer
from evoniche._validators import whole, whole_number
from evoniche.randomness import generator
from evoniche_baselines.problem import Problem

__all__ = ["CoverageScorer", "ExchangeMutation", "SubsetCrossover", "SubsetGenome", "best_coverage", "coverage"]

_PLACES = tuple(b"coverage")  # an instance shares no random number with a run whose seed is the same


def coverage(
    sites: int = 50, chosen: int = 5, customers: int = 200, radius: float = 0.2, instance: int = 0
) -> Problem:
    """Choose p of m sites; a customer is a case, solved where a chosen site is near (Church and ReVelle 1974).

    Sites and customers are drawn uniformly in the unit square. The target is the exact optimum, found by mixed
    integer programming. Solutions of one niche have more than half of their sites in common.

    Args:
        sites: m, >= 2.
        chosen: p, from 1 to m - 1.
        customers: How many.
        radius: How far a site reaches, > 0; the square has sides of 1.
        instance: Which draw.

    Raises:
        ValueError: A number out of range.
    """
    whole_number("sites", sites, 2)
    whole_number("customers", customers, 1)
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
    """Whom each site of an instance reaches, shape (sites, customers)."""
    rng = generator(instance, *_PLACES)
    places, homes = rng.random((sites, 2)), rng.random((customers, 2))
    near: NDArray[np.bool_] = np.linalg.norm(places[:, None] - homes, axis=2) <= radius
    return near


@lru_cache
def _optimum(sites: int, chosen: int, customers: int, radius: float, instance: int) -> int:
    return best_coverage(_reach(sites, customers, radius, instance), chosen)


def best_coverage(reach: NDArray[np.bool_], chosen: int) -> int:
    """How many customers the best choice covers.

    With x_i = 1 for a chosen site and y_j = 1 for a covered customer: maximise sum_j y_j, subject to sum_i x_i = p
    and y_j <= sum of x_i over the sites that reach j. y need not be kept to integers: it takes what x allows.

    Args:
        reach: Boolean, shape (sites, customers).
        chosen: p.

    Raises:
        RuntimeError: The solver gave up.
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
    """Choices of `chosen` of `size` things, all equally likely; a batch is a boolean array (n, size).

    Args:
        size: How many to choose from.
        chosen: How many are chosen.
    """

    size: int = attrs.field(validator=whole(1))
    chosen: int = attrs.field(validator=whole(1))

    def sample(self, n: int, *, rng: Generator) -> NDArray[np.bool_]:
        """Shape (n, size), `chosen` True in each row."""
        return _highest(rng.random((n, self.size)), self.chosen)

    def distance(self, a: NDArray[np.bool_], b: NDArray[np.bool_]) -> NDArray[np.float64]:
        """How many things of the one are not in the other, shape (len(a), len(b))."""
        common: NDArray[np.float64] = np.asarray(a, dtype=np.float64) @ np.asarray(b, dtype=np.float64).T
        return self.chosen - common

    def pack(self, batch: NDArray[np.bool_]) -> Mapping[str, NDArray[np.generic]]:
        """One array, "genomes"."""
        return {"genomes": np.asarray(batch)}

    def unpack(self, arrays: Mapping[str, NDArray[np.generic]]) -> NDArray[np.generic]:
        """The array "genomes"."""
        return arrays["genomes"]


@final
@attrs.frozen
class SubsetCrossover(Crossover):
    """What both parents have stays, and the rest is drawn from what one of them has (Radcliffe 1993).

    So a child has as many things as its parents, each of a parent.
    """

    def cross(self, a: NDArray[np.bool_], b: NDArray[np.bool_], *, rng: Generator) -> NDArray[np.bool_]:
        """Cross boolean arrays of shape (n, size) with equally many True in each row."""
        return _highest(rng.random(a.shape) + a + b, int(a[0].sum()))


@final
@attrs.frozen
class ExchangeMutation(Mutation):
    """One thing that is chosen, drawn uniformly, is exchanged for one that is not."""

    def mutate(self, genomes: NDArray[np.bool_], *, rng: Generator) -> NDArray[np.bool_]:
        """Mutate a boolean array of shape (n, size), at least one False in each row."""
        order = rng.random(genomes.shape)
        mutants, row = genomes.copy(), np.arange(len(genomes))
        mutants[row, np.where(genomes, order, -1).argmax(axis=1)] = False
        mutants[row, np.where(genomes, -1, order).argmax(axis=1)] = True
        return mutants


def _highest(priorities: NDArray[np.float64], k: int) -> NDArray[np.bool_]:
    """True at the k highest of each row."""
    highest = np.zeros(priorities.shape, dtype=np.bool_)
    np.put_along_axis(highest, np.argpartition(priorities, -k, axis=1)[:, -k:], True, axis=1)
    return highest


@final
@attrs.frozen(eq=False)
class CoverageScorer(Scorer):
    """1 for a customer whom a chosen site reaches, else 0.

    Args:
        reach: Boolean, shape (sites, customers).
    """

    reach: NDArray[np.bool_] = attrs.field(repr=False)

    def score(self, genomes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Score choices of shape (n, sites); shape (n, customers)."""
        covered: NDArray[np.bool_] = genomes.astype(np.float32) @ self.reach.astype(np.float32) > 0.5
        return covered
