"""Weights for the cases that are hard."""

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
    """f_i = sum_j v_j w_j S_ij, where w_j grows as long as the best member fails on case j (SAW).

    Stepwise adaptation of weights: w is 1 at first. Each time that `interval` more evaluations have been told, `step`
    is added to the weights of the cases that the fittest member, of equals the oldest, does not solve at that moment.
    v is the importance of the cases, 1 if there is none. Members do not compete, the cases do (Eiben and van der
    Hauw 1997; Eiben, van der Hauw and van Hemert 1998).

    The population remembers w, which changes when fitness is asked for first after an interval has ended; several
    that have ended at once are made up for one after the other. To ask again changes nothing.

    Args:
        interval: T_p, evaluations from one change of the weights to the next, >= 1.
        step: How much is added, > 0.
        threshold: A case is solved from this score on, > 0.
    """

    interval: int = attrs.field(default=250, validator=whole(1))
    step: float = attrs.field(default=1.0, validator=greater_than(0))
    threshold: float = attrs.field(default=0.5, validator=greater_than(0))

    def weights(self, population: Population) -> NDArray[np.floating]:
        """v_j w_j, what one unit of score on each case is worth at present, shape (cases,)."""
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
        """Shape (members,)."""
        return _fitness(population.scores, self.weights(population))


def _fitness(scores: NDArray[np.floating], weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """S @ w, row by row: a matrix product sums rows differently, and equals would not be equally fit."""
    fitness: NDArray[np.float64] = np.vecdot(scores, weights)
    return fitness
