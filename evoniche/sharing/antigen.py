"""Fitness from competition for single cases among random samples of members."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import whole
from evoniche.roles import Sharing

if TYPE_CHECKING:
    from evoniche.population import Population

__all__ = ["AntigenSharing"]

_BLOCK = 1 << 20  # numbers in a temporary array; a few megabytes stay in the cache


@final
@attrs.frozen
class AntigenSharing(Sharing):
    """Give the score on a random case to the best of a random sample of members (Smith, Forrest and Perelson 1993).

    A case (antigen) is drawn, and `sample_size` members (antibodies) are drawn without replacement. The best of them on
    the case gets its score there and the others get nothing; of equals, each is as likely to be the best. The expected
    gain is f_i = sum_j v_j S_ij P_ij, where P_ij is the probability that i is the best of a sample on case j. With L
    members that score strictly less than i, t members that score the same (i included), P members in all and
    s = min(sample_size, P),

        P_ij = (C(L + t, s) - C(L, s)) / (t C(P, s)).

    v_j is the importance of the case, or 1 if none is given. Small samples let many members live, large samples only
    the best on each case. No distance between genomes is needed.

    Args:
        sample_size: The number of members in a sample (s), >= 1. With 1 there is no competition:
            f_i = sum_j v_j S_ij / P. With as many as there are members, the best takes all.
        draws: The number of times that a case and a sample are drawn, >= 1. The gains are multiplied by cases / draws,
            so that their mean is f_i. With None, f_i is computed by the formula. The draws follow from the seed of the
            evolution and the number of evaluations, and they stay the same until the population changes.

    >>> from evoniche import Population
    >>> population = Population.of(np.array([[1, 0], [1, 0], [0, 0.5]]), sharing=AntigenSharing(sample_size=3))
    >>> population.fitness  # two share the first case
    array([0.5, 0.5, 0.5])
    """

    sample_size: int = attrs.field(validator=whole(1))
    draws: int | None = attrs.field(default=None, validator=attrs.validators.optional(whole(1)))

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """Return the fitness of every member, shape (members,)."""
        scores = population.scores
        v = np.ones(scores.shape[1]) if population.importance is None else population.importance
        if self.draws is None:
            return _expected(scores, v, self.sample_size)
        return _drawn(scores, v, self.sample_size, self.draws, rng=population.generator())


def _expected(scores: NDArray[np.floating], v: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return the expected gains by the formula, shape (members,).

    P_ij depends on the order of the members on case j, so it is a number for each member and case. The work is done for
    a block of cases at a time, to need little memory.
    """
    members, cases = scores.shape
    within = _within(members, size)
    fitness = np.zeros(members)
    block = max(1, _BLOCK // members)
    for start in range(0, cases, block):
        j = slice(start, start + block)
        S = np.ascontiguousarray(scores[:, j].T, dtype=np.float64)  # (block, members)
        order = S.argsort(axis=1)
        ranked = np.take_along_axis(S, order, axis=1)
        leads = np.ones(S.shape, dtype=bool)  # the first of each group of equals
        leads[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
        leaders = np.flatnonzero(leads)
        L, t = leaders % members, np.diff(leaders, append=S.size)  # (groups,)
        P = np.empty_like(S)
        np.put_along_axis(P, order, np.repeat((within[L + t] - within[L]) / t, t).reshape(S.shape), axis=1)
        # Not v @ (S * P): a matrix product may sum each column in another order, and equals would not be equally fit.
        fitness += (v[j, None] * S * P).sum(axis=0)
    return fitness


def _within(members: int, size: int) -> NDArray[np.float64]:
    """Return C(n, size) / C(members, size) for n = 0 to members: the probability that a sample lies within n of them.

    The values follow from C(n - 1, s) = C(n, s) (n - s) / n, downward from 1. No binomial is ever computed, so none
    overflows. A size larger than the number of members gives the same as a sample of them all.
    """
    n = np.arange(members, 0, -1)
    downward: NDArray[np.float64] = np.append(1.0, np.cumprod(np.maximum(n - size, 0) / n))
    return downward[::-1]


def _drawn(
    scores: NDArray[np.floating], v: NDArray[np.float64], size: int, draws: int, *, rng: Generator
) -> NDArray[np.float64]:
    """Return the gains from random cases and samples, shape (members,), for a block of draws at a time."""
    members, cases = scores.shape
    gains = np.zeros(members)
    block = max(1, _BLOCK // members)
    for start in range(0, draws, block):
        n = min(block, draws - start)
        case = rng.integers(cases, size=n)
        sample = rng.permuted(np.tile(np.arange(members), (n, 1)), axis=1)[:, :size]  # (n, size), in random order
        matches = scores[sample, case[:, None]]
        best = np.arange(n), matches.argmax(axis=1)  # of equals the first drawn: each is as likely
        gains += np.bincount(sample[best], v[case] * matches[best], minlength=members)
    gains *= cases / draws
    return gains
