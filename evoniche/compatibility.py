"""How well two members merge: what their children have lost, and before there are any, the cosine of their genomes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evoniche import functional
from evoniche.arrays import is_array_api_obj, is_floating, like, namespace
from evoniche.batches import take
from evoniche.functional.vectors import is_vectors
from evoniche.population import Offspring, Population

__all__ = ["compatibility", "cosines", "observe"]

_KEPT = 256
"""Of how many children the losses are remembered."""

_WIDTH = 0.1
"""The standard deviation of the kernel over the cosine: pairs whose cosines differ by less tell of each other."""

_PRIOR = 1.0
"""For how many children the prior counts."""

Floats = NDArray[np.float64]


class _Litters(NamedTuple):
    """What was observed of children; the key under which a population remembers it is the class."""

    cosines: Floats
    """The cosine of the two parents of each child, shape (children,)."""
    kept: Floats
    """The mean score of the child divided by that of its parents, from 0 to 1, shape (children,)."""


def cosines(population: Population, base: Any = None) -> NDArray[Any]:
    """Compute the cosine of the angle between each two members, as vectors (with a base, as task vectors).

    Args:
        population: Members whose genomes are float arrays (n, ...) or `Vectors`, such as recipes.
        base: The model that all were fine-tuned from, for arrays; recipes know theirs. Give the same object each time,
            by which the population knows what it has kept.

    Returns:
        Shape (members, members), from -1 to 1; 0 where a vector is zero. The population keeps it: a newcomer costs one
        row.

    Raises:
        ValueError: The genomes are neither.

    >>> population = Population.of([[1], [1], [1]], np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]))
    >>> cosines(population)
    array([[ 1.,  0., -1.],
           [ 0.,  1.,  0.],
           [-1.,  0.,  1.]])
    """

    def measure(positions: NDArray[np.intp]) -> Floats:
        members = len(population)
        genomes = population.genomes
        if not is_vectors(genomes):
            genomes = _rows(genomes, members)
            if base is not None:
                genomes = genomes - like(np.reshape(base, (1, -1)), genomes)
        rows = np.empty((len(positions), members))
        bounds = np.tile([0, genomes.shape[1]], (members, 1))
        for i, position in enumerate(positions):
            one = take(genomes, np.full(members, position))
            aa, ab, bb = functional.dot_products(one, genomes, bounds)
            norms = np.sqrt(aa * bb)[:, 0]
            rows[i] = np.clip(ab[:, 0] / np.where(norms > 0, norms, 1), -1, 1)
        return rows

    return population.pairwise(cosines if base is None else base, measure)


def _rows(genomes: Any, members: int) -> Any:
    """Read genomes as rows of floats.

    Raises:
        ValueError: They are not an array.
    """
    if not (isinstance(genomes, np.ndarray) or is_array_api_obj(genomes)):
        raise ValueError("compatibility needs genomes that are vectors, an array or recipes, "
                         f"got {type(genomes).__name__}: choose AttractionMateSelector instead.")  # fmt: skip
    xp = namespace(genomes)
    rows = xp.reshape(genomes, (members, -1))
    return rows if is_floating(rows) else xp.astype(rows, xp.float64)


def observe(population: Population, offspring: Offspring, base: Any = None) -> None:
    """Remember how much of their parents' score children have kept, before they compete.

    A child is left out if its parents have left, or are one.
    """
    if offspring.scores is None or not len(population):
        return
    order = np.argsort(population.ids)
    place = np.minimum(np.searchsorted(population.ids, offspring.parents, sorter=order), len(order) - 1)
    parents = order[place]  # (n, 2)
    alive = (population.ids[parents] == offspring.parents).all(axis=1) & (parents[:, 0] != parents[:, 1])
    if not alive.any():
        return
    parents, own = parents[alive], population.mean_scores(offspring.scores[alive])
    before = population.means[parents].mean(axis=1)
    known = population.recall(_Litters, _Litters(np.zeros(0), np.zeros(0)))
    apart = cosines(population, base)[parents[:, 0], parents[:, 1]]
    kept = np.clip(own / np.where(before > 0, before, 1), 0, 1)
    pairs = zip(known, (apart, kept), strict=True)
    population.remember(_Litters, _Litters(*(np.concatenate([old, new])[-_KEPT:] for old, new in pairs)))


def compatibility(population: Population, base: Any = None) -> Floats:
    """Estimate the share of their parents' score that the children of each two members keep, shape (members, members).

        c(A, B) = (sum_i k_i r_i + max(cos(A, B), 0)) / (sum_i k_i + 1),    k_i = exp(-(cos(A, B) - cos_i)**2 / 0.02)

    r_i is the share that child i has kept, from 0 to 1, and cos_i the cosine of its parents. So a pair is judged by the
    latest 256 children of pairs that are as alike (Nadaraya 1964), and by the cosine alone while there are none: unlike
    models are then expected not to merge. Children are observed by `ObservingReplacement`.
    """
    apart = cosines(population, base)
    known = population.recall(_Litters)
    total, weight = np.maximum(apart, 0) * _PRIOR, np.full(apart.shape, _PRIOR)
    if known is not None:
        near = np.exp(-((apart[..., None] - known.cosines) ** 2) / (2 * _WIDTH**2))  # (members, members, children)
        total, weight = total + near @ known.kept, weight + near.sum(axis=-1)
    estimate: Floats = total / weight
    return estimate
