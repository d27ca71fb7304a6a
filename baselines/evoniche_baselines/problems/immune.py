"""Antibodies against antigens: the population must hold several specialists at once."""

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
from evoniche_baselines.problem import LARGEST, Problem

__all__ = ["HELD", "MatchScorer", "immune", "maximally_distant_antigens"]

HELD = 0.9
"""The share of an antigen's bits that an antibody must match to hold it.

Two antigens differ in half of their bits, so an antibody that matches 0.9 of one matches at most 0.6 of any other. So
only a specialist holds an antigen; a generalist, who matches all of them a little, holds none.
"""

_MOST_BITS = 1 << 13  # of which the matrix takes 64 MiB


def immune(antigens: int = 8, bits: int = 64, antibodies: int = 100, crossover: float = 0.6) -> Problem:
    """Make the immune system model of Smith, Forrest and Perelson 1993, in which an antigen is a case.

    The score of an antibody on an antigen is the share of bits that match. Antigens are as far from each other as
    strings can be, so no antibody matches several well: under selection by the mean score, the population converges on
    one generalist; under competition for antigens, it splits into specialists. Antibodies of one niche are closer than
    half of the distance between antigens.

    One-point crossover makes only a share of the children, because a child of two specialists is no specialist. One
    child in five has a bit flipped; with more mutation, the few members of a niche would lose its antigen. `niches`
    counts the antigens that are held (see `HELD`), and the metric "complete matches" those that some antibody matches
    in every bit.

    Args:
        antigens: The number of antigens, from 2 to bits - 1.
        bits: The length of an antigen and of an antibody: a power of 2, >= 4.
        antibodies: The number of members, >= 2.
        crossover: The probability that a child has two parents, from 0 to 1.

    Raises:
        ValueError: A number is out of range.

    >>> immune(antigens=4, bits=16).offers >= {"cases", "distance"}
    True
    """
    against = maximally_distant_antigens(antigens, bits)
    return Problem(
        name=f"immune ({antigens} antigens of {bits} bits)",
        genome=BinaryGenome(bits),
        scorer=MatchScorer(against),
        cases=antigens,
        crossover=OccasionalCrossover(KPointCrossover(1), crossover) if crossover else None,
        mutation=BitFlipMutation(0.2 / bits),
        population_size=whole_number("antibodies", antibodies, 2, LARGEST),
        radius=bits / 4,
        niches=held_antigens,
        metrics={"complete matches": complete_matches},
    )


def maximally_distant_antigens(antigens: int, bits: int) -> NDArray[np.bool_]:
    """Return rows of Sylvester's Hadamard matrix, any two of which differ in half of their bits.

    The first row, whose bits are all the same, is left out.

    Args:
        antigens: The number of rows, from 2 to bits - 1.
        bits: The length of a row: a power of 2, >= 4.

    Returns:
        Boolean, shape (antigens, bits).

    Raises:
        ValueError: The bits are not a power of 2, or there are too many antigens.

    >>> maximally_distant_antigens(2, bits=4) * 1
    array([[1, 0, 1, 0],
           [1, 1, 0, 0]])
    """
    if whole_number("bits", bits, 4, _MOST_BITS) & (bits - 1):
        raise ValueError(f"bits must be a power of 2, such as 32 or 64, for which there is the matrix, got {bits}.")
    if whole_number("antigens", antigens, 2) > bits - 1:
        raise ValueError(f"antigens must be at most {bits - 1} for {bits} bits, got {antigens}: take more bits.")
    rows: NDArray[np.bool_] = hadamard(bits, dtype=np.int8)[1 : antigens + 1] > 0
    return rows


@final
@attrs.frozen(eq=False)
class MatchScorer(Scorer):
    """Scores antibodies by the share of bits that match an antigen.

    Args:
        antigens: Boolean, shape (cases, bits).

    >>> MatchScorer(np.array([[True, True], [True, False]])).score(np.array([[True, True]]))
    array([[1. , 0.5]])
    """

    antigens: NDArray[np.bool_] = attrs.field(repr=False)

    def score(self, genomes: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Score boolean antibodies of shape (n, bits); return shape (n, cases), from 0 to 1."""
        bits = self.antigens.shape[1]
        return 1 - BinaryGenome(bits).distance(genomes, self.antigens) / bits


def held_antigens(_genomes: Any, scores: NDArray[Any]) -> int:
    """Count the antigens that some antibody holds."""
    return int((scores.max(axis=0) >= HELD).sum())


def complete_matches(_genomes: Any, scores: NDArray[Any]) -> float:
    """Count the antigens that some antibody matches in every bit."""
    return float((scores.max(axis=0) == 1).sum())
