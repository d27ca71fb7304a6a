"""The digits as a problem that methods are compared on."""

from __future__ import annotations

from functools import partial
from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.crossovers import SplitSlerpCrossover
from evoniche.mutations import GaussianMutation
from evoniche_baselines.problem import Descriptor, Problem, RealVectors
from evoniche_baselines.problems.digits.problem import (
    INITIAL_STD,
    PARAMETERS,
    DigitsScorer,
    digits_genome,
    published_experts,
)

__all__ = ["ParityAccuracy", "digits"]


def digits(start: str = "scratch") -> Problem:
    """Networks that read handwritten digits (Abrantes, Lange and Tang 2025, section 4.1). An image is a case.

    As in the paper, a run from scratch begins with two random networks and mutates; a run from experts merges the
    two networks that come with the package, without mutation. MAP-Elites' grid is over the accuracy on odd and even
    digits.

    Args:
        start: "scratch" or "experts".

    Raises:
        ValueError: Another start.
        ImportError: scikit-learn, which brings the images, is not installed.
    """
    if start not in ("scratch", "experts"):
        raise ValueError(f"start must be 'scratch' or 'experts', got {start!r}.")
    train, test = DigitsScorer.load()
    scratch = start == "scratch"
    experts = None if scratch else published_experts()
    return Problem(
        name=f"digits (from {start})",
        genome=digits_genome(),
        scorer=train,
        cases=len(train.labels),
        crossover=SplitSlerpCrossover(),
        mutation=GaussianMutation(0.01) if scratch else None,
        initial=2 if scratch else experts,
        population_size=20,
        held_out=test,
        descriptor=Descriptor(ParityAccuracy(train.labels % 2 == 1), low=(0.0, 0.0), high=(1.0, 1.0), cells=(10, 10)),
        vector=RealVectors(
            PARAMETERS,
            _random_network if experts is None else partial(_between, experts),
            std=INITIAL_STD,
            decode=_single_precision,
        ),
        seeds=not scratch,
    )


def _random_network(rng: Generator) -> NDArray[np.floating]:
    network: NDArray[np.floating] = digits_genome().sample(1, rng=rng)[0]
    return network


def _between(experts: NDArray[np.floating], _rng: Generator) -> NDArray[np.floating]:
    mean: NDArray[np.floating] = experts.mean(axis=0)
    return mean


def _single_precision(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    return vectors.astype(np.float32)


@final
@attrs.frozen(eq=False)
class ParityAccuracy:
    """The accuracy on odd and on even digits.

    Args:
        odd: Whether the digit of each case is odd, shape (cases,).
    """

    odd: NDArray[np.bool_] = attrs.field(repr=False)

    def __call__(self, _genomes: Any, scores: NDArray[Any]) -> NDArray[np.float64]:
        """Shape (n, 2), from 0 to 1."""
        return np.stack([scores[:, self.odd].mean(axis=1), scores[:, ~self.odd].mean(axis=1)], axis=1)
