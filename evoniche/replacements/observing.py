"""A replacement that remembers how children compare with their parents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import attrs
import numpy as np

from evoniche.compatibility import observe
from evoniche.function_operators import as_replacement
from evoniche.replacements.worst import WorstReplacement
from evoniche.roles import Replacement

if TYPE_CHECKING:
    from evoniche.population import Offspring, Population

__all__ = ["ObservingReplacement"]


@final
@attrs.frozen
class ObservingReplacement(Replacement):
    """Let the population remember how much of their parents' score children keep, for `CompatibleMateSelector`.

    Then children compete by the rule of another replacement. Those that leave at once count as well, so this is the
    place where they are seen.

    Args:
        replacement: The rule by which members leave; `WorstReplacement` by default.
        base: As in `CompatibleMateSelector`.

    >>> from evoniche import Offspring, Population
    >>> from evoniche.compatibility import compatibility
    >>> population = Population.of(np.array([[1.0], [1.0]]), np.eye(2))
    >>> child = Offspring(np.ones((1, 2)), np.array([2]), np.array([[0, 1]]), ask=1, seed=0, scores=np.array([[0.5]]))
    >>> before = compatibility(population)[0, 1]
    >>> ObservingReplacement().replace(population, child)
    >>> float(before), float(compatibility(population)[0, 1])  # unlike, but the child has kept a half
    (0.0, 0.25)
    """

    replacement: Replacement = attrs.field(factory=WorstReplacement, converter=as_replacement)
    base: Any = attrs.field(default=None, eq=attrs.cmp_using(eq=np.array_equal), repr=False)

    def replace(self, population: Population, offspring: Offspring) -> None:
        """Observe the children, and let them compete."""
        observe(population, offspring, self.base)
        self.replacement.replace(population, offspring)
