"""Diagnostics that show what a selection is good at (Hernandez, Lalejini and Ofria 2023)."""

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
from evoniche_baselines.problem import LARGEST, Problem, RealVectors

__all__ = ["KINDS", "PEAKS", "SATISFIED", "DiagnosticScorer", "ReboundMutation", "cross_valleys", "diagnostics"]

KINDS = ("exploitation", "ordered", "contradictory", "multi-path")
HIGHEST = 100.0
"""The greatest value of a gene; the least is 0."""
SATISFIED = 0.99
"""The score from which a trait counts as satisfied."""
PEAKS = np.array([8, 9, 11, 14, 18, 23, 29, 36, 44, 53, 63, 74, 86, 99], dtype=np.float64)
"""The values where valleys begin; each valley is one wider than the one before."""

_LAST_VALLEY_ENDS = 99.9
_MUTATIONS = 0.7  # of a child on average: 0.007 for each of the 100 genes of the source


def diagnostics(
    kind: str = "contradictory",
    traits: int = 20,
    valleys: bool = False,
    population: int = 100,
    rate: float | None = None,
) -> Problem:
    """Make a diagnostic of what a selection can do (Hernandez, Lalejini and Ofria 2023), in which a trait is a case.

    A genome has a gene for each trait, from 0 to 100; all start below 1. The kinds differ in how traits follow from
    genes; see `DiagnosticScorer`. Mutation adds N(0, 1) to some genes and rebounds from the bounds; there is no
    crossover. `niches` counts the traits that some member satisfies (a trait of 99 or more). The metric "activation
    genes" counts the genes that are the greatest of some member.

    With "contradictory", a member can satisfy one trait at most, so the problem has no target.

    Args:
        kind: "exploitation", "ordered", "contradictory" or "multi-path".
        traits: The number of traits, >= 1; 100 in the source.
        valleys: Whether a trait falls and rises on its way up; see `cross_valleys`.
        population: The number of members, >= 2; 512 in the source.
        rate: The probability that a gene mutates. The default is 0.7 / traits: 0.007 for the 100 traits of the source.

    Raises:
        ValueError: The kind is unknown, or a number is out of range.
        TypeError: `valleys` is neither True nor False.

    >>> diagnostics("exploitation", traits=5).name
    'diagnostics (exploitation, 5 traits)'
    """
    return Problem(
        name=f"diagnostics ({kind}{' with valleys' if valleys else ''}, {traits} traits)",
        scorer=DiagnosticScorer(kind, valleys),
        genome=LowGenome(whole_number("traits", traits, 1, LARGEST)),
        cases=traits,
        mutation=ReboundMutation(_MUTATIONS / traits if rate is None else rate),
        population_size=whole_number("population", population, 2, LARGEST),
        target=None if kind == "contradictory" else SATISFIED,
        radius=HIGHEST / 10,
        vector=RealVectors(traits, partial(_start, traits), std=1.0, low=0.0, high=HIGHEST),
        niches=satisfied_traits,
        metrics={"activation genes": activation_genes},
    )


@final
@attrs.frozen
class LowGenome(Genome["NDArray[np.floating]"]):
    """Vectors of genes that begin between 0 and 1; the mutation keeps them within their bounds.

    Args:
        length: The number of genes.
    """

    length: int

    def sample(self, n: int, *, rng: Generator) -> NDArray[np.floating]:
        """Draw n genomes uniformly from (0, 1), shape (n, length)."""
        return RealGenome(self.length, bounds=(0, 1)).sample(n, rng=rng)

    def distance(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the Euclidean distances, shape (len(a), len(b))."""
        return RealGenome(self.length).distance(a, b)


def _start(traits: int, rng: Generator) -> NDArray[np.float64]:
    return rng.random(traits)


@final
@attrs.frozen
class DiagnosticScorer(Scorer):
    """Scores genomes by their traits: the trait of an active gene is its value, of any other gene 0.

    Which genes are active depends on the kind:

    - "exploitation": all genes.
    - "ordered": the first genes, as long as each is no greater than the one before.
    - "contradictory": only the greatest gene (the first of several).
    - "multi-path": the greatest gene and those after it, as long as each is no greater than the one before.

    With valleys, `cross_valleys` changes the traits. Scores are traits / 100.

    Args:
        kind: One of the four.
        valleys: Whether there are valleys.

    >>> DiagnosticScorer("multi-path").score(np.array([[10, 90, 50, 60]]))
    array([[0. , 0.9, 0.5, 0. ]])
    """

    kind: str = attrs.field(validator=one_of(*KINDS))
    valleys: bool = attrs.field(default=False, validator=attrs.validators.instance_of(bool))

    def score(self, genomes: NDArray[np.floating]) -> NDArray[np.floating]:
        """Score genomes of shape (n, traits), values from 0 to 100; return the same shape, from 0 to 1."""
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
    """Put valleys between peaks: from a peak on, a trait falls as fast as it rose, until the value of the next peak.

    A value between 8 and 99.9 becomes p - (value - p), where p is the last of `PEAKS` that is not above the value;
    other values stay. After the last peak, 99, there is a short valley up to 99.9, as in the authors' code.

    Args:
        traits: Values from 0 to 100, any shape.

    Returns:
        The changed traits, the same shape, never negative.

    >>> cross_valleys(np.array([5, 8, 8.5, 9, 100]))
    array([  5. ,   8. ,   7.5,   9. , 100. ])
    """
    peak = PEAKS[np.maximum(np.searchsorted(PEAKS, traits, side="right") - 1, 0)]
    in_valleys = (traits > PEAKS[0]) & (traits < _LAST_VALLEY_ENDS)
    return np.where(in_valleys, 2 * peak - traits, traits)


@final
@attrs.frozen
class ReboundMutation(Mutation):
    """Adds N(0, 1) to a share of the genes; what overshoots a bound, 0 or 100, comes back from it by as much.

    Args:
        rate: The probability that a gene gets noise, from 0 to 1.

    >>> mutant = ReboundMutation(rate=1.0).mutate(np.array([[0.0, 100.0]]), rng=np.random.default_rng(0))
    >>> bool((mutant >= 0).all() and (mutant <= 100).all())
    True
    """

    rate: float = attrs.field(validator=probability())

    def mutate(self, genomes: NDArray[np.floating], *, rng: Generator) -> NDArray[np.floating]:
        """Mutate a float array of shape (n, genes), values from 0 to 100."""
        moved = GaussianMutation(1.0, self.rate).mutate(genomes, rng=rng)
        return np.where(moved > HIGHEST, 2 * HIGHEST - moved, np.abs(moved))


def satisfied_traits(_genomes: Any, scores: NDArray[Any]) -> int:
    """Count the traits that some member satisfies."""
    return int((scores.max(axis=0) >= SATISFIED).sum())


def activation_genes(genomes: NDArray[np.floating], _scores: NDArray[Any]) -> float:
    """Count the genes that are the greatest of some member."""
    return float(len(np.unique(genomes.argmax(axis=1))))
