"""What a selection is good at: the diagnostics of Hernandez, Lalejini and Ofria 2023."""

from __future__ import annotations

from functools import partial
from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import Genome, Mutation, Scorer
from evoniche._validators import one_of, probability, whole_number
from evoniche.genomes import RealGenome
from evoniche.mutations import GaussianMutation
from evoniche_baselines.problem import Problem, RealVectors

__all__ = ["KINDS", "PEAKS", "SATISFIED", "DiagnosticScorer", "ReboundMutation", "cross_valleys", "diagnostics"]

KINDS = ("exploitation", "ordered", "contradictory", "multi-path")
HIGHEST = 100.0
"""Genes are from 0 to this."""
SATISFIED = 0.99
"""Score from which a trait counts as satisfied."""
PEAKS = np.array([8, 9, 11, 14, 18, 23, 29, 36, 44, 53, 63, 74, 86, 99], dtype=np.float64)
"""Where valleys begin; each is one wider than the one before."""

_LAST_VALLEY_ENDS = 99.9
_MUTATIONS = 0.7  # of a child on average: 0.007 for each of the 100 genes of the source


def diagnostics(
    kind: str = "contradictory",
    traits: int = 20,
    valleys: bool = False,
    population: int = 100,
    rate: float | None = None,
) -> Problem:
    """A diagnostic of what a selection can do (Hernandez, Lalejini and Ofria 2023). A trait is a case.

    A genome has as many genes as there are traits, each from 0 to 100; all start below 1. How traits follow from
    genes is what differs, see `DiagnosticScorer`. A mutation adds N(0, 1) to some genes and rebounds from the bounds;
    there is no crossover. `niches` counts the traits that some member satisfies (a trait of 99 or more); the metric
    "activation genes", how many different genes are somebody's greatest.

    With "contradictory", nobody can satisfy more than one trait, so there is no target for one member.

    Args:
        kind: "exploitation", "ordered", "contradictory" or "multi-path".
        traits: How many; 100 in the source.
        valleys: Whether a trait falls and rises on the way up, see `cross_valleys`.
        population: Members; 512 in the source.
        rate: Probability that a gene mutates; 0.7 / traits when None, which is 0.007 for the 100 traits of the source.

    Raises:
        ValueError: An unknown kind, or a number out of range.
        TypeError: valleys that are neither True nor False.
    """
    return Problem(
        name=f"diagnostics ({kind}{' with valleys' if valleys else ''}, {traits} traits)",
        scorer=DiagnosticScorer(kind, valleys),
        genome=LowGenome(whole_number("traits", traits, 1)),
        cases=traits,
        mutation=ReboundMutation(_MUTATIONS / traits if rate is None else rate),
        population_size=whole_number("population", population, 2),
        target=None if kind == "contradictory" else SATISFIED,
        radius=HIGHEST / 10,
        vector=RealVectors(traits, partial(_start, traits), std=1.0, low=0.0, high=HIGHEST),
        niches=satisfied_traits,
        metrics={"activation genes": activation_genes},
    )


@final
@attrs.frozen
class LowGenome(Genome["NDArray[np.floating]"]):
    """Genes that begin between 0 and 1, and are bounded by what mutates them.

    Args:
        length: Genes.
    """

    length: int

    def sample(self, n: int, *, rng: Generator) -> NDArray[np.floating]:
        """Shape (n, length)."""
        return RealGenome(self.length, bounds=(0, 1)).sample(n, rng=rng)

    def distance(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
        """Euclidean distance, shape (len(a), len(b))."""
        return RealGenome(self.length).distance(a, b)


def _start(traits: int, rng: Generator) -> NDArray[np.float64]:
    return rng.random(traits)


@final
@attrs.frozen
class DiagnosticScorer(Scorer):
    """Which genes are active: an active gene's value is its trait, the others' traits are 0.

    - "exploitation": all are active.
    - "ordered": the first ones, as long as each is no greater than the one before.
    - "contradictory": the greatest alone (the first of several).
    - "multi-path": the greatest and those after it, as long as each is no greater than the one before.

    With valleys, `cross_valleys` is applied to the traits. Scores are traits / 100.

    Args:
        kind: One of the four.
        valleys: Whether there are valleys.
    """

    kind: str = attrs.field(validator=one_of(*KINDS))
    valleys: bool = attrs.field(default=False, validator=attrs.validators.instance_of(bool))

    def score(self, genomes: NDArray[np.floating]) -> NDArray[np.floating]:
        """Score genomes of shape (n, traits); the same shape, from 0 to 1."""
        traits = np.where(self._active(genomes), genomes, 0)
        return (cross_valleys(traits) if self.valleys else traits) / HIGHEST

    def _active(self, genomes: NDArray[np.floating]) -> NDArray[np.bool_]:
        places = np.arange(genomes.shape[1])
        first = genomes.argmax(axis=1)[:, None] if self.kind in ("contradictory", "multi-path") else 0
        if self.kind == "exploitation":
            return np.ones(genomes.shape, dtype=np.bool_)
        if self.kind == "contradictory":
            return places == first
        rises = np.diff(genomes, axis=1, prepend=np.inf) > 0  # (n, traits): more than the gene before
        rises &= places > first
        return (places >= first) & ~np.logical_or.accumulate(rises, axis=1)


def cross_valleys(traits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Valleys between peaks: from a peak p on, a value falls as fast as it rose, until it is at the next peak.

    value -> p - (value - p) for values between 8 and 99.9, p the last of `PEAKS` that is not above the value; others
    are as they are. After the last peak, at 99, is a short valley up to 99.9, as in the authors' code.

    Args:
        traits: Any shape, from 0 to 100.

    Returns:
        The same shape, never negative.
    """
    peak = PEAKS[np.maximum(np.searchsorted(PEAKS, traits, side="right") - 1, 0)]
    in_valleys = (traits > PEAKS[0]) & (traits < _LAST_VALLEY_ENDS)
    return np.where(in_valleys, 2 * peak - traits, traits)


@final
@attrs.frozen
class ReboundMutation(Mutation):
    """x + N(0, 1) on a share of the genes; what overshoots a bound, 0 or 100, comes back from it by as much.

    Args:
        rate: Probability that a gene gets noise.
    """

    rate: float = attrs.field(validator=probability())

    def mutate(self, genomes: NDArray[np.floating], *, rng: Generator) -> NDArray[np.floating]:
        """Mutate a float array of shape (n, genes), values from 0 to 100."""
        moved = GaussianMutation(1.0, self.rate).mutate(genomes, rng=rng)
        return np.where(moved > HIGHEST, 2 * HIGHEST - moved, np.abs(moved))


def satisfied_traits(_genomes: Any, scores: NDArray[Any]) -> int:
    """How many traits some member satisfies."""
    return int((scores.max(axis=0) >= SATISFIED).sum())


def activation_genes(genomes: NDArray[np.floating], _scores: NDArray[Any]) -> float:
    """How many different genes are the greatest of some member."""
    return float(len(np.unique(genomes.argmax(axis=1))))
