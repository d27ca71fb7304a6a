"""Antibodies against antigens: a population that has to hold several specialists at once."""

from __future__ import annotations

from typing import Any, final

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hadamard

from evoniche import Scorer
from evoniche._validators import whole_number
from evoniche.crossovers import KPointCrossover, OccasionalCrossover
from evoniche.genomes import BinaryGenome
from evoniche.mutations import BitFlipMutation
from evoniche_baselines.problem import Problem

__all__ = ["HELD", "MatchScorer", "immune", "maximally_distant_antigens"]

HELD = 0.9
"""An antigen is held where some antibody matches at least so much of it.

An antibody with 0.9 of one antigen has at most 0.6 of any other, since two antigens differ in half of their bits. So
whoever holds an antigen is a specialist, and a generalist, who matches all a little, holds none.
"""


def immune(antigens: int = 8, bits: int = 64, antibodies: int = 100, crossover: float = 0.6) -> Problem:
    """The immune system model of Smith, Forrest and Perelson 1993: an antigen is a case.

    The score of an antibody on an antigen is the share of its bits that match. Antigens are as far from each other as
    strings can be, so no antibody matches several well: under selection by the mean score the population converges on
    one generalist, under competition for antigens it splits. Antibodies of one niche are closer than half of the
    distance between antigens. The crossover is one-point, and costs a population that has split, since a child of two
    specialists is none; so it is not for every child. The mutation is low, one bit in five children, since a niche has
    but a few members that keep its antigen. `niches` counts the antigens that are held (see `HELD`), the metric
    "complete matches" those that some antibody matches in every bit.

    Args:
        antigens: How many, from 2 to bits - 1.
        bits: Of an antigen and an antibody: a power of 2, >= 4.
        antibodies: Members of the population.
        crossover: The probability that a child has two parents; 0 for none.

    Raises:
        ValueError: A number out of range.
    """
    against = maximally_distant_antigens(antigens, bits)
    return Problem(
        name=f"immune ({antigens} antigens of {bits} bits)",
        genome=BinaryGenome(bits),
        scorer=MatchScorer(against),
        cases=antigens,
        crossover=OccasionalCrossover(KPointCrossover(1), crossover) if crossover else None,
        mutation=BitFlipMutation(0.2 / bits),
        population_size=whole_number("antibodies", antibodies, 2),
        radius=bits / 4,
        niches=held_antigens,
        metrics={"complete matches": complete_matches},
    )


def maximally_distant_antigens(antigens: int, bits: int) -> NDArray[np.bool_]:
    """Rows of the Hadamard matrix of Sylvester, of which any two differ in half of their bits.

    The first row is left out: its bits are all the same.

    Returns:
        Shape (antigens, bits).

    Raises:
        ValueError: Bits that are no power of 2, or too many antigens.
    """
    if whole_number("bits", bits, 4) & (bits - 1):
        raise ValueError(f"bits must be a power of 2, such as 32 or 64, for which there is the matrix, got {bits}.")
    if whole_number("antigens", antigens, 2) > bits - 1:
        raise ValueError(f"antigens must be at most {bits - 1} for {bits} bits, got {antigens}: take more bits.")
    rows: NDArray[np.bool_] = hadamard(bits)[1 : antigens + 1] > 0
    return rows


@final
@attrs.frozen(eq=False)
class MatchScorer(Scorer):
    """The share of equal bits.

    Args:
        antigens: Boolean, shape (cases, bits).
    """

    antigens: NDArray[np.bool_] = attrs.field(repr=False)

    def score(self, genomes: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Score antibodies of shape (n, bits); shape (n, cases), from 0 to 1."""
        # With bits as +-1, the product counts those that agree less those that do not.
        agreement = (2.0 * genomes - 1) @ (2.0 * self.antigens - 1).T  # (n, cases)
        return (1 + agreement / self.antigens.shape[1]) / 2


def held_antigens(_genomes: Any, scores: NDArray[Any]) -> int:
    """How many antigens somebody holds."""
    return int((scores.max(axis=0) >= HELD).sum())


def complete_matches(_genomes: Any, scores: NDArray[Any]) -> float:
    """How many antigens somebody matches in every bit."""
    return float((scores.max(axis=0) == 1).sum())
