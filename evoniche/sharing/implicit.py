"""Competition for cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche import functional
from evoniche._validators import at_least, check_capacity
from evoniche.functional import Capacity
from evoniche.roles import Sharing

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["ImplicitSharing"]


@final
@attrs.frozen
class ImplicitSharing(Sharing):
    """f_i = sum_j S_ij c_j / (z_j**alpha + eps): the members who score on a case share what it can give.

    A member is fit if it scores where few others do. No distance between genomes is needed (Smith, Forrest and
    Perelson 1993; Abrantes 2025, eq. 3 and 5).

    Args:
        alpha: Intensity of the competition: 0 none, 1 each case gives a fixed amount, above 1 a fight that wastes some.
        capacity: c, what a case can give: "max" (c_j = max_i S_ij), which is right for graded and for binary scores;
            "one"; or one number >= 0 for each case.
        relative: Share what a member scores above the worst on each case (section 4.3): for scores that are all
            high and differ little.
        eps: Keeps the division by a load of zero defined.

    Raises:
        ValueError: A negative alpha, eps or capacity. A capacity of another length than the cases is found at the
            first scores.
    """

    alpha: float = attrs.field(default=1.0, validator=at_least(0))
    capacity: Capacity = attrs.field(
        default=functional.CAPACITY, validator=check_capacity, eq=attrs.cmp_using(eq=np.array_equal)
    )
    relative: bool = False
    eps: float = attrs.field(default=functional.EPS, validator=at_least(0))

    def weights(self, population: Population) -> NDArray[np.floating]:
        """What one unit of score on each case is worth at present, shape (cases,)."""
        scores = functional.relative_scores(population.scores) if self.relative else population.scores
        load = functional.case_load(scores) if self.relative else population.load
        c = functional.case_capacity(scores, self.capacity)
        c = c if population.importance is None else c * population.importance
        weights: NDArray[np.floating] = functional.case_weights(load, c, alpha=self.alpha, eps=self.eps)
        return weights

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """The members' fitness, shape (members,)."""
        # Where scores are 0 or 1, "max" is 1 wherever anybody takes a share: the scores need not be searched for it.
        capacity: Capacity = "one" if population.binary and isinstance(self.capacity, str) else self.capacity
        fitness: NDArray[np.floating] = functional.shared_fitness(
            population.scores,
            alpha=self.alpha,
            capacity=capacity,
            relative=self.relative,
            eps=self.eps,
            load=population.load,
            importance=population.importance,
        )
        return fitness
