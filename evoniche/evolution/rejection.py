"""Children that are certain to leave at once need not be scored in full."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from evoniche._validators import number, whole_number
from evoniche.evolution.bounds import Bounds, bounds, no_bounds, rounding
from evoniche.evolution.parts import Parts
from evoniche.population import Offspring, Population
from evoniche.replacements import WorstReplacement
from evoniche.roles import CaseScorer
from evoniche.scores import read_scores

__all__ = ["Rejection"]

_BLOCKS = 16


@final
class Rejection:
    """Scores a child case by case in blocks, until it is certain to leave at once, or all is seen.

    It is certain when the child is less fit than every member even if the cases not seen bring it all they can, and
    take from the members all they can, with a margin for rounding; and when its mean cannot be the best ever. What is
    not seen is then 0: with this row, or any other, the child joins and leaves, and nothing else depends on the row. So
    the evolution is told as it always is.
    """

    def __init__(self, evolution: Any, reject_early: bool | int) -> None:
        """Check that what is certain can be known.

        Args:
            evolution: Which is told what is scored here.
            reject_early: Cases of one block; a sixteenth of all when True.

        Raises:
            ValueError: The scorer does not score case by case, or for these parts no bounds are known.
        """
        parts: Parts[Any] = evolution.parts
        scorer = parts.scorer
        reasons = []
        if not isinstance(scorer, CaseScorer):
            reasons.append(f"the scorer must be a CaseScorer, such as ByCaseScorer(f, cases=...), got {scorer!r}")
        if type(parts.replacement) is not WorstReplacement:
            reasons.append(f"only of WorstReplacement is known who leaves, got {parts.replacement!r}")
        if why := no_bounds(parts.sharing):
            reasons.append(why)
        if (n := evolution.batch_size) != 1:
            reasons.append(f"children told together compete one after the other, so batch_size must be 1, got {n}")
        if reasons:
            raise ValueError(f"run(reject_early=...) cannot know which children leave: {'; '.join(reasons)}.")
        assert isinstance(scorer, CaseScorer)
        self._scorer = scorer
        self._cases = whole_number(f"{type(scorer).__name__}.cases", scorer.cases, 1)
        self._highest = number(f"{type(scorer).__name__}.highest", scorer.highest, 0)
        size = -(-self._cases // _BLOCKS) if reject_early is True else whole_number("reject_early", reject_early, 1)
        self._block_size = size
        self._population: Population = evolution.population
        self._members: bytes = b""
        self._bounds: Bounds | None = None
        self._margin = (0.0, 0.0)

    def score(self, children: Offspring, best: float) -> tuple[NDArray[Any], int]:
        """Score children.

        Args:
            children: Are told next, before any others.
            best: The mean score of the best solution so far.

        Returns:
            Shape (n, cases), and how many of these scores were not asked for and are 0.

        Raises:
            ValueError: Scores above the highest, or of another shape than the cases asked for.
        """
        population = self._population
        if len(children) != 1 or len(population) < population.limit:
            scores = self._scorer.score(children.genomes)
            self._check(scores, (len(children), self._cases))
            return scores, 0
        if population.scores.shape[1] != self._cases:
            raise ValueError(f"{self._scorer!r} has {self._cases} cases, the members {population.scores.shape[1]}.")
        self._follow()
        return self._by_blocks(children, best)

    def _by_blocks(self, children: Offspring, best: float) -> tuple[NDArray[Any], int]:
        assert self._bounds is not None
        population, highest, cases = self._population, self._highest, self._cases
        order = self._order(children)
        v = np.ones(cases) if population.importance is None else population.importance
        fitness_left = _sums_from(self._bounds.ceiling[order])
        mean_left = _sums_from(highest * v[order])
        row = np.zeros((1, cases), dtype=population.scores.dtype)
        gained = reached = 0.0
        for start in range(0, cases, self._block_size):
            block = order[start : start + self._block_size]
            row[0, block] = self._ask(children, block)
            s = row[0, block].astype(np.float64)
            seen = start + len(block)
            gained += self._bounds.gain(block, s)
            reached += float(s @ v[block])
            if seen < cases and self._is_certain(gained + fitness_left[seen], row, order[:seen]):
                mean = (reached + mean_left[seen]) / v.sum()
                if mean * (1 + 8 * cases * np.finfo(np.float64).eps) <= best:
                    return row, cases - seen
        return row, 0

    def _is_certain(self, most: float, row: NDArray[Any], seen: NDArray[np.intp]) -> bool:
        """Whether a child that is so fit at most, of which some cases are seen, is less fit than every member."""
        assert self._bounds is not None
        share, least = self._margin
        above = most * (1 + share) + least
        if not above < self._population.fitness.min():  # few members gain by a newcomer, and then little
            return False
        scores = self._population.scores[:, seen]
        fitness = self._bounds.floor + self._bounds.rise(scores, seen, row[0, seen].astype(np.float64))
        return bool((above < fitness * (1 - share)).all())

    def _ask(self, children: Offspring, block: NDArray[np.intp]) -> NDArray[np.floating]:
        """One child's scores on some cases, shape (len(block),)."""
        scores = self._scorer.score(children.genomes, block)
        self._check(scores, (1, len(block)))
        try:
            like = np.zeros((0, len(block)), dtype=self._population.scores.dtype)
            row: NDArray[np.floating] = read_scores(scores, children.ids.tolist(), like)[0]
        except ValueError as error:
            error.add_note(f"cases are counted there within a block, of the cases {block.tolist()}.")
            raise
        return row

    def _check(self, scores: Any, shape: tuple[int, int]) -> None:
        """Check that scores are of these many cases, and none is too high; `tell` checks all else."""
        given = tuple(getattr(scores, "shape", np.shape(scores)))
        if given != shape:
            raise ValueError(f"{self._scorer!r} must give scores of shape {shape}, got {given}.")
        top = float(scores.max() if hasattr(scores, "max") else np.max(scores))
        if top > self._highest:
            raise ValueError(
                f"{self._scorer!r} says that no score is above {self._highest:.17g}, but gives {top:.17g}: its "
                "`highest` must say what a case can give at most, rounding errors included."
            )

    def _order(self, children: Offspring) -> NDArray[np.intp]:
        """The order in which cases are seen: those first by which the child is likely to fall behind most.

        That is what a case can bring, times how far its parents are from the highest score there; with a little more,
        so that the price decides where both have it.
        """
        assert self._bounds is not None
        parents = self._population.scores[np.isin(self._population.ids, children.parents[0])]
        missing = 1.1 * self._highest - parents.mean(axis=0) if len(parents) else 1.0
        return np.argsort(-self._bounds.ceiling * missing)

    def _follow(self) -> None:
        """Renew the bounds when the members have changed."""
        members = self._population.ids.tobytes()
        if members != self._members:
            self._bounds = bounds(self._population, self._highest)
            self._margin = rounding(self._population, self._bounds, self._highest)
            self._members = members


def _sums_from(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of all values from each position on."""
    return values[::-1].cumsum()[::-1]
