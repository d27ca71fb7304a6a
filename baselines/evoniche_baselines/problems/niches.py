"""Two niches of known size: how a population divides between them is known in advance."""

from __future__ import annotations

from typing import Any, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche import Scorer
from evoniche._validators import whole_number
from evoniche.genomes import BinaryGenome
from evoniche_baselines.problem import Problem

__all__ = ["TwoKindsScorer", "niches", "share_of_a"]


def niches(unique_a: int = 30, unique_b: int = 10, shared: int = 0, members: int = 100) -> Problem:
    """The equilibrium of two niches (Horn 1997), under selection alone: there is no crossover and no mutation.

    Members are of the kind A or B. A covers `unique_a` cases that only A covers, B `unique_b`, and both cover the
    `shared` ones. What is reported is the metric "share of A", n_A / (n_A + n_B). It follows from equal fitness of
    the two kinds, with selection proportional to fitness:

    - implicit sharing: f_A = unique_a / n_A + shared / (n_A + n_B), so n_A / n_B = unique_a / unique_b, whatever is
      shared: .75 for (30, 10), .667 for (20, 10);
    - explicit sharing: f_A = h_A / n_A with the height of a niche h_A, its mean score, so
      n_A / n_B = (unique_a + shared) / (unique_b + shared);
    - no sharing: the better kind takes all, and of two equal ones either, by drift.

    A and B are 1 apart and members of one kind 0, so any radius in between tells them apart.

    Args:
        unique_a: Cases of A alone, >= 1.
        unique_b: Cases of B alone, >= 1.
        shared: Cases of both.
        members: Of the population.

    Raises:
        ValueError: A number out of range.
    """
    unique_a, unique_b = whole_number("unique_a", unique_a, 1), whole_number("unique_b", unique_b, 1)
    both = f", {shared} shared" if whole_number("shared", shared, 0) else ""
    return Problem(
        name=f"niches ({unique_a} and {unique_b} unique cases{both})",
        genome=BinaryGenome(1),
        scorer=TwoKindsScorer(unique_a, unique_b, shared),
        cases=unique_a + unique_b + shared,
        population_size=whole_number("members", members, 2),
        radius=0.5,
        niches=kinds_held,
        metrics={"share of A": share_of_a},
    )


@final
@attrs.frozen
class TwoKindsScorer(Scorer):
    """A genome of one bit: A where it is set, B where it is not. The cases are those of A, of B, and of both."""

    unique_a: int
    unique_b: int
    shared: int

    def score(self, genomes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Score genomes of shape (n, 1); shape (n, cases)."""
        of_a = np.repeat([True, False, True], [self.unique_a, self.unique_b, self.shared])
        of_b = np.repeat([False, True, True], [self.unique_a, self.unique_b, self.shared])
        return np.where(genomes, of_a, of_b)


def kinds_held(genomes: NDArray[np.bool_], _scores: NDArray[Any]) -> int:
    """How many of the two kinds are there."""
    return len(np.unique(genomes))


def share_of_a(genomes: NDArray[np.bool_], _scores: NDArray[Any]) -> float:
    """n_A / (n_A + n_B)."""
    return float(np.mean(genomes))
