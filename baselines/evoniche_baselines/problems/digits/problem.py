"""The digits as a problem on which methods are compared."""

from __future__ import annotations

from functools import partial
from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.crossovers import SplitSlerpCrossover
from evoniche.functional import Angle
from evoniche.mutations import GaussianMutation
from evoniche_baselines.problem import Descriptor, Problem, RealVectors
from evoniche_baselines.problems.digits.networks import (
    CLASSES,
    INITIAL_STD,
    PARAMETERS,
    DigitsScorer,
    digits_genome,
    published_experts,
    train_experts,
)

__all__ = ["ParityAccuracy", "digits"]

MUTATION_STD = 0.01
_LEARNED = 0.2
"""The accuracy on a digit from which the digit counts as learned."""


def digits(start: str = "scratch", angle: Angle = "whole") -> Problem:
    """Make the problem to read handwritten digits (Abrantes, Lange and Tang 2025, section 4.1); an image is a case.

    As in the paper, a run from scratch begins with two random networks and mutates; a run from experts merges two
    trained networks without mutation. The grid of MAP-Elites is over the accuracy on odd and on even digits. The paper
    reports `test accuracy`, the held-out accuracy of the member alive with the best training accuracy.

    Args:
        start: "scratch"; "experts" for the two networks that come with the package; or "fresh" for two experts that
            each run trains from its seed (needs torch).
        angle: How SLERP measures the angle; see `SplitSlerpCrossover`.

    Raises:
        ValueError: The start or the angle is another.
        ImportError: scikit-learn, which has the images, is not installed; or torch, for "fresh".

    >>> digits(start="experts").cases
    1437
    """
    starts = {"scratch": 2, "experts": published_experts(), "fresh": train_experts}
    if start not in starts:
        raise ValueError(f"start must be one of {', '.join(starts)}, got {start!r}.")
    train, test = DigitsScorer.load()
    return Problem(
        name=f"digits (from {start})" if angle == "whole" else f"digits (from {start}, angle of each {angle})",
        genome=digits_genome(),
        scorer=train,
        cases=len(train.labels),
        crossover=SplitSlerpCrossover(angle=angle),
        mutation=GaussianMutation(MUTATION_STD) if start == "scratch" else None,
        initial=starts[start],
        population_size=20,
        held_out=test,
        descriptor=Descriptor(ParityAccuracy(train.labels % 2 == 1), low=(0.0, 0.0), high=(1.0, 1.0), cells=(10, 10)),
        vector=None if start == "fresh" else RealVectors(
            PARAMETERS,
            _random_network if start == "scratch" else partial(_between, published_experts()),
            std=INITIAL_STD,
            decode=_single_precision,
        ),
        seeds=start != "scratch",
        metrics={"test accuracy": partial(_accuracy, test)},
        stepwise=True,  # as the published runs were made
        details=partial(_by_digit, train, test),
    )


def _accuracy(images: DigitsScorer, genomes: NDArray[np.float32], scores: NDArray[Any]) -> float:
    return images.accuracy(_best(genomes, scores))


def _by_digit(
    train: DigitsScorer, test: DigitsScorer, genomes: NDArray[np.float32], scores: NDArray[Any]
) -> dict[str, float]:
    """Measure the best member alive: its accuracy on each digit, and how many digits it has not learned."""
    best, digits = _best(genomes, scores), range(CLASSES)
    trained, tested = train.class_accuracy(best), test.class_accuracy(best)
    return {
        "digits not learned": float((tested < _LEARNED).sum()),
        **{f"train accuracy on {digit}": float(trained[digit]) for digit in digits},
        **{f"test accuracy on {digit}": float(tested[digit]) for digit in digits},
    }


def _best(genomes: NDArray[np.float32], scores: NDArray[Any]) -> NDArray[np.float32]:
    best: NDArray[np.float32] = genomes[scores.mean(axis=1, dtype=np.float64).argmax()]
    return best


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
    """Measures the accuracy on odd and on even digits, as a descriptor.

    Args:
        odd: Whether the digit of each case is odd, shape (cases,).
    """

    odd: NDArray[np.bool_] = attrs.field(repr=False)

    def __call__(self, _genomes: Any, scores: NDArray[Any]) -> NDArray[np.float64]:
        """Return the accuracies on odd and on even digits, shape (n, 2), from 0 to 1."""
        return np.stack([scores[:, self.odd].mean(axis=1), scores[:, ~self.odd].mean(axis=1)], axis=1)
