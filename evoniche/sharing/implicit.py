"""M2N2's implicit fitness sharing: members compete for the cases."""

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
    """Share what each case can give among the members that score on it: f_i = sum_j S_ij c_j / (z_j**alpha + eps).

    z_j is the load of case j, the sum of all members' scores on it. A member is fit if it scores where few others do.
    No distance between genomes is needed (Smith, Forrest and Perelson 1993; Abrantes 2025, eq. 3 and 5).

    Args:
        alpha: The intensity of the competition, >= 0. With 0 there is none; with 1 each case gives a fixed amount;
            above 1, crowded cases give less in all.
        capacity: c, what a case can give: "max" (c_j = max_i S_ij), which suits graded and binary scores; "one"; or an
            array of one number >= 0 for each case, shape (cases,).
        relative: Whether scores count from those of the worst member on each case (Abrantes 2025, section 4.3). This
            helps when all scores are high and differ little.
        eps: A small number >= 0 that keeps the division by a load of zero defined.

    Raises:
        ValueError: A negative alpha, eps or capacity. A capacity of another length than the cases is refused when
            fitness is first computed.

    >>> from evoniche import Population
    >>> scores = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    >>> Population.of(scores, sharing=ImplicitSharing()).fitness.round(3)  # the first two share two cases
    array([1., 1., 1.])
    """

    alpha: float = attrs.field(default=1.0, validator=at_least(0))
    capacity: Capacity = attrs.field(
        default=functional.CAPACITY, validator=check_capacity, eq=attrs.cmp_using(eq=np.array_equal)
    )
    relative: bool = False
    eps: float = attrs.field(default=functional.EPS, validator=at_least(0))

    def weights(self, population: Population) -> NDArray[np.floating]:
        """Return the worth of one unit of score on each case at present, shape (cases,)."""
        scores = functional.relative_scores(population.scores) if self.relative else population.scores
        load = functional.case_load(scores) if self.relative else population.load
        c = functional.case_capacity(scores, self.capacity)
        c = c if population.importance is None else c * population.importance
        weights: NDArray[np.floating] = functional.case_weights(load, c, alpha=self.alpha, eps=self.eps)
        return weights

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """Return the fitness of every member, shape (members,)."""
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
