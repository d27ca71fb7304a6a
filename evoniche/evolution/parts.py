"""The parts of an evolution: what was given, and M2N2's own where nothing was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Literal, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from evoniche._validators import check_roles
from evoniche.batches import G
from evoniche.crossovers import SplitSlerpCrossover
from evoniche.function_operators import (
    as_crossover,
    as_mates,
    as_mutation,
    as_replacement,
    as_scorer,
    as_selector,
    as_sharing,
)
from evoniche.mates import AttractionMateSelector
from evoniche.population import Offspring, Population
from evoniche.replacements import WorstReplacement
from evoniche.roles import Crossover, Genome, MateSelector, Mutation, Replacement, Scorer, Selector, Sharing
from evoniche.selectors import RouletteSelector
from evoniche.sharing import ImplicitSharing

__all__ = [
    "CrossoverLike",
    "MatesLike",
    "MutationLike",
    "Parts",
    "ReplacementLike",
    "ScorerLike",
    "SelectorLike",
    "SharingLike",
]

ScorerLike = Scorer[G] | Callable[[Any], ArrayLike]
CrossoverLike = Crossover[G] | Callable[[G, G, Generator], G]
MutationLike = Mutation[G] | Callable[[G, Generator], G]
SharingLike = Sharing | Callable[[Population], ArrayLike]
SelectorLike = Selector | Callable[[Population, int, Generator], ArrayLike]
MatesLike = MateSelector | Callable[[Population, NDArray[np.intp], Generator], ArrayLike]
ReplacementLike = Replacement | Callable[[Population, Offspring], None]


@final
@attrs.frozen
class Parts(Generic[G]):
    """One part for each role; whatever was given as a plain function is an operator here.

    Raises:
        TypeError: A part that does not play its role.
    """

    genome: Genome[G] | None
    scorer: Scorer[G] | None
    sharing: Sharing
    selector: Selector
    mates: MateSelector
    crossover: Crossover[G] | None
    mutation: Mutation[G] | None
    replacement: Replacement

    @classmethod
    def of(
        cls,
        genome: Genome[G] | None,
        scorer: ScorerLike[G] | None,
        sharing: SharingLike | None,
        selector: SelectorLike | None,
        mates: MatesLike | None,
        crossover: CrossoverLike[G] | Literal["slerp"] | None,
        mutation: MutationLike[G] | None,
        replacement: ReplacementLike | None,
    ) -> Parts[G]:
        """M2N2 with some of its parts exchanged (Abrantes, Lange and Tang 2025, section 3).

        Args:
            genome: The representation.
            scorer: What is asked of a solution.
            sharing: Implicit fitness sharing when None.
            selector: Fitness-proportional when None.
            mates: Attraction when None.
            crossover: "slerp" is the paper's split SLERP; None for none.
            mutation: None for none.
            replacement: The member with the lowest fitness leaves when None.
        """
        if isinstance(crossover, str) and crossover != "slerp":
            raise ValueError(f"crossover must be 'slerp', a Crossover, f(a, b, rng) or None, got {crossover!r}.")
        check_roles(genome=(genome, Genome, None))
        return cls(
            genome,
            None if scorer is None else as_scorer(scorer),
            ImplicitSharing() if sharing is None else as_sharing(sharing),
            RouletteSelector() if selector is None else as_selector(selector),
            AttractionMateSelector() if mates is None else as_mates(mates),
            _crossover(crossover),
            None if mutation is None else as_mutation(mutation),
            WorstReplacement() if replacement is None else as_replacement(replacement),
        )


def _crossover(crossover: CrossoverLike[G] | str | None) -> Crossover[G] | None:
    if crossover is None:
        return None
    return SplitSlerpCrossover() if isinstance(crossover, str) else as_crossover(crossover)
