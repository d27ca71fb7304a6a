"""Competition for cases, sample by sample."""

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
    """f_i = sum_j v_j S_ij P_ij, P_ij being the probability that i is the best of a random sample on case j.

    A case (antigen) is drawn, and `sample_size` members (antibodies) without replacement; the best of them on the
    case gets its score, the others nothing, and of equals each is as likely to be the one. With L members strictly
    lower than i, t equal to it (i included), P members and s = min(sample_size, P),

        P_ij = (C(L + t, s) - C(L, s)) / (t C(P, s)).

    v is the importance of the cases, 1 if there is none. Small samples let many live, large ones only the best on
    each case; no distance between genomes is needed (Smith, Forrest and Perelson 1993).

    Args:
        sample_size: s, >= 1. 1 is no competition: f_i = sum_j v_j S_ij / P. As many as there are members: the best
            takes all.
        draws: How many times a case and a sample are drawn; the gains times cases / draws are then f_i on average.
            None gives the formula itself, the mean over all that could be drawn. The draws follow from the seed of
            the evolution and the number of evaluations, and stand until the population changes.
    """

    sample_size: int = attrs.field(validator=whole(1))
    draws: int | None = attrs.field(default=None, validator=attrs.validators.optional(whole(1)))

    def fitness(self, population: Population) -> NDArray[np.floating]:
        """Shape (members,)."""
        scores = population.scores
        v = np.ones(scores.shape[1]) if population.importance is None else population.importance
        if self.draws is None:
            return _expected(scores, v, self.sample_size)
        return _drawn(scores, v, self.sample_size, self.draws, rng=population.generator())


def _expected(scores: NDArray[np.floating], v: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The formula, for blocks of cases.

    P_ij depends on the order of the members on case j, so there has to be a number for each member and case; a block
    of cases at a time keeps them few.
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
    """C(n, size) / C(members, size) for n = 0 to members: the probability that a sample lies within n of them.

    From C(n - 1, s) = C(n, s) (n - s) / n, downward from 1: no binomial is ever computed, so none overflows. A larger
    size than there are members comes out as a sample of them all.
    """
    n = np.arange(members, 0, -1)
    downward: NDArray[np.float64] = np.append(1.0, np.cumprod(np.maximum(n - size, 0) / n))
    return downward[::-1]


def _drawn(
    scores: NDArray[np.floating], v: NDArray[np.float64], size: int, draws: int, *, rng: Generator
) -> NDArray[np.float64]:
    """What random cases and samples give, for blocks of draws."""
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
