"""Two niches of known size, of which theory tells how a population divides between them."""

from __future__ import annotations

from typing import Any, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche import Scorer
from evoniche._validators import whole_number
from evoniche.genomes import BinaryGenome
from evoniche_baselines.problem import LARGEST, Problem

__all__ = ["TwoKindsScorer", "niches", "share_of_a"]


def niches(unique_a: int = 30, unique_b: int = 10, shared: int = 0, members: int = 100) -> Problem:
    """Make the problem of two niches in equilibrium (Horn 1997): selection alone, without crossover and mutation.

    A member is of kind A or kind B. `unique_a` cases are solved by A only, `unique_b` by B only, and the `shared` ones
    by both. The metric "share of A" is n_A / (n_A + n_B). With selection proportional to fitness, its value in
    equilibrium follows from the equal fitness of the two kinds:

    - implicit sharing: f_A = unique_a / n_A + shared / (n_A + n_B), so n_A / n_B = unique_a / unique_b, whatever is
      shared: .75 for (30, 10), .667 for (20, 10);
    - explicit sharing: f_A = h_A / n_A, where h_A, the height of the niche, is its mean score, so
      n_A / n_B = (unique_a + shared) / (unique_b + shared);
    - no sharing: the better kind takes all; of two equal ones, either does by drift.

    The distance between A and B is 1, and between members of one kind 0.

    Args:
        unique_a: The number of cases that A alone solves, >= 1.
        unique_b: The number of cases that B alone solves, >= 1.
        shared: The number of cases that both solve, >= 0.
        members: The size of the population, >= 2.

    Raises:
        ValueError: A number is out of range.

    >>> problem = niches(unique_a=2, unique_b=1, shared=1)
    >>> problem.scorer.score(np.array([[True], [False]])) * 1  # A, B
    array([[1, 1, 0, 1],
           [0, 0, 1, 1]])
    """
    unique_a, unique_b = (whole_number(f"unique_{kind}", number, 1, LARGEST)
                          for kind, number in (("a", unique_a), ("b", unique_b)))
    both = f", {shared} shared" if whole_number("shared", shared, 0, LARGEST) else ""
    return Problem(
        name=f"niches ({unique_a} and {unique_b} unique cases{both})",
        genome=BinaryGenome(1),
        scorer=TwoKindsScorer(unique_a, unique_b, shared),
        cases=unique_a + unique_b + shared,
        population_size=whole_number("members", members, 2, LARGEST),
        radius=0.5,
        niches=kinds_held,
        metrics={"share of A": share_of_a},
    )


@final
@attrs.frozen
class TwoKindsScorer(Scorer):
    """Scores genomes of one bit: kind A if it is set, kind B if not.

    The cases of A come first, then those of B, then the shared ones.

    Args:
        unique_a: The number of cases that A alone solves.
        unique_b: The number of cases that B alone solves.
        shared: The number of cases that both solve.
    """

    unique_a: int
    unique_b: int
    shared: int

    def score(self, genomes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Score boolean genomes of shape (n, 1); return shape (n, cases)."""
        of_a = np.repeat([True, False, True], [self.unique_a, self.unique_b, self.shared])
        of_b = np.repeat([False, True, True], [self.unique_a, self.unique_b, self.shared])
        return np.where(genomes, of_a, of_b)


def kinds_held(genomes: NDArray[np.bool_], _scores: NDArray[Any]) -> int:
    """Count the kinds in the population, 1 or 2."""
    return len(np.unique(genomes))


def share_of_a(genomes: NDArray[np.bool_], _scores: NDArray[Any]) -> float:
    """Return n_A / (n_A + n_B)."""
    return float(np.mean(genomes))
