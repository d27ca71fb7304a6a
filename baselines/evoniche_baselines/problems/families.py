"""Two families of networks that compute the same and do not merge with each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoniche import RealGenome, SlerpCrossover
from evoniche.mutations import GaussianMutation
from evoniche_baselines.problem import Problem

__all__ = ["families", "family_of", "first_networks"]

INPUTS, HIDDEN, CASES = 6, 24, 120
SIZE = (INPUTS + 1) * HIDDEN + HIDDEN
_SCALE = 0.5
"""The error at which a case scores 1 / e."""


def families(std: float = 0.02) -> Problem:
    """Make the problem to fit a random teacher from two families of its copies; an input is a case.

    A network 6-24-1 with tanh has 24! equal twins, whose hidden units come in another order. Half of the first genomes
    are noisy copies of the teacher, the others of one twin, and each family is wrong where the other is right: for
    inputs of which the first number is positive, or negative. A merge of the two would have what is lacking, but it
    averages units that have nothing to do with each other.

    Args:
        std: The standard deviation of the mutation.

    >>> families().cases
    120
    """
    teacher, inputs = _teacher()
    answers = _outputs(teacher[None], inputs)

    def score(genomes: NDArray[Any]) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = np.exp(-np.square((_outputs(genomes, inputs) - answers) / _SCALE))
        return scores

    return Problem(
        name="two families of networks",
        genome=RealGenome(SIZE),
        scorer=score,
        cases=CASES,
        crossover=SlerpCrossover(),
        mutation=GaussianMutation(std),
        initial=first_networks,
        population_size=40,
        metrics={"smaller family": _smaller},
    )


def first_networks(seed: int, n: int = 40) -> NDArray[np.float64]:
    """Make noisy copies of the teacher and, as many, of its twin; shape (n, 192)."""
    rng = np.random.default_rng(seed)
    teacher, _ = _teacher()
    each = [np.tile(network, (n // 2, 1)) for network in (_wrong(teacher, 1), _twin(_wrong(teacher, -1)))]
    networks: NDArray[np.float64] = np.concatenate(each)
    return networks + 0.1 * rng.standard_normal(networks.shape)


def family_of(genomes: NDArray[Any]) -> NDArray[np.bool_]:
    """Say of each network whether it is nearer to the twin than to the teacher, shape (n,)."""
    teacher, _ = _teacher()
    far: NDArray[np.bool_] = genomes @ _twin(teacher) > genomes @ teacher
    return far


def _smaller(genomes: NDArray[Any], _: Any) -> float:
    """Measure the share of the smaller family, from 0 to 0.5."""
    share = float(family_of(genomes).mean())
    return min(share, 1 - share)


def _teacher() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Make the teacher (192,) and the inputs (120, 6)."""
    rng = np.random.default_rng(0)
    teacher, inputs = rng.standard_normal(SIZE), rng.standard_normal((CASES, INPUTS))
    teacher.reshape(INPUTS + 2, HIDDEN)[:, :2] = 0  # two units that do nothing yet
    return teacher, inputs


def _wrong(teacher: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Let two units answer wrong where the first input has this sign; on the other side they give nearly 0."""
    wrong = teacher.copy()
    units = wrong.reshape(INPUTS + 2, HIDDEN)
    units[0, 0], units[INPUTS, 1] = 4 * side, 4  # tanh(4 side x) + tanh(4) is about 2 or 0
    units[INPUTS + 1, :2] = 4
    return wrong


def _twin(network: NDArray[np.float64]) -> NDArray[np.float64]:
    """Put the hidden units into another order, one place further on each."""
    units: NDArray[np.float64] = network.reshape(INPUTS + 2, HIDDEN)
    return np.roll(units, 1, axis=1).ravel()


def _outputs(genomes: NDArray[Any], inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute what networks answer, shape (n, cases)."""
    units = genomes.reshape(len(genomes), INPUTS + 2, HIDDEN)
    hidden = np.tanh(inputs @ units[:, :INPUTS] + units[:, [INPUTS]])  # (n, cases, 24)
    answers: NDArray[np.float64] = np.einsum("nch,nh->nc", hidden, units[:, INPUTS + 1]) / np.sqrt(HIDDEN)
    return answers
