"""Fitness with growing weights for the cases that are hard to solve."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche._validators import greater_than, whole
from evoniche.roles import Sharing

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["AdaptiveSharing"]


@final
@attrs.frozen
class AdaptiveSharing(Sharing):
    """Weight each case by how long the best member has failed it: f_i = sum_j v_j w_j S_ij.

    This is the stepwise adaptation of weights (SAW; Eiben and van der Hauw 1997; Eiben, van der Hauw and van Hemert
    1998). Every weight w_j is 1 at first. After each `interval` evaluations, `step` is added to the weights of the
    cases that the fittest member does not solve at that moment; of equally fit members, the oldest counts. v_j is the
    importance of the case, or 1 if none is given. The members do not compete with each other.

    The population remembers w. It is brought up to date when fitness is asked for; if several intervals have ended
    since, they are made up for one after the other. Asking again changes nothing.

    Args:
        interval: The number of evaluations (T_p) from one change of the weights to the next, >= 1.
        step: The amount that is added to a weight, > 0.
        threshold: The score from which on a case is solved, > 0.

    >>> from evoniche import Population
    >>> sharing = AdaptiveSharing(interval=2)
    >>> population = Population.of(np.array([[1, 1, 0], [0, 0, 1]]), sharing=sharing)  # two evaluations are told
    >>> sharing.weights(population)  # the fittest member fails the last case
    array([1., 1., 2.])
    >>> population.fitness
    array([2., 2.])
    """

    interval: int = attrs.field(default=250, validator=whole(1))
    step: float = attrs.field(default=1.0, validator=greater_than(0))
    threshold: float = attrs.field(default=0.5, validator=greater_than(0))

    def weights(self, population: Population) -> NDArray[np.floating]:
        """Return v_j w_j, the worth of one unit of score on each case at present, shape (cases,)."""
        scores = population.scores
        v = np.ones(scores.shape[1]) if population.importance is None else population.importance
        changes, w = population.recall(self, (0, np.ones(scores.shape[1])))
        due = population.told // self.interval
        for _ in range(changes, due):
            fittest = np.lexsort((population.ids, -_fitness(scores, v * w)))[0]
            w = w + self.step * (scores[fittest] < self.threshold)
        population.remember(self, (due, w))
        weights: NDArray[np.float64] = v * w
        return weights

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """Return the fitness of every member, shape (members,)."""
        return _fitness(population.scores, self.weights(population))


def _fitness(scores: NDArray[np.floating], weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return S @ w, summed row by row.

    A matrix product may sum the rows in different orders, and members with equal scores would not be equally fit.
    """
    fitness: NDArray[np.float64] = np.vecdot(scores, weights)
    return fitness
