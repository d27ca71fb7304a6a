"""Children of one ask on their way: what is asked of a worker, what it answers, and what has come of them so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche.batches import join
from evoniche.evolution.failures import Failure
from evoniche.population import Offspring

__all__ = ["Done", "Job", "Part", "Report", "attempt"]


@final
@attrs.frozen(eq=False)
class Report:
    """What came of one attempt to score a few children."""

    seconds: float
    worker: str = ""
    scores: Any = None
    spared: int = 0
    genomes: Any = None
    """The genomes if they are not what they were."""
    failure: Failure | None = None


def attempt(score: Callable[[], tuple[Any, int]], worker: str = "") -> Report:
    """Score by a function that returns scores and how many of them were spared; what it raises is reported."""
    start = time.perf_counter()
    try:
        scores, spared = score()
    except Exception as error:
        return Report(time.perf_counter() - start, worker, failure=Failure.of(error))
    return Report(time.perf_counter() - start, worker, scores, spared)


@final
@attrs.frozen(eq=False)
class Done:
    """What is to be told, and who is to be given up."""

    scored: Offspring | None
    """Children with their scores."""
    lost: Sequence[int] = ()
    """Ids of children that are given up."""
    counts: bool = False
    """Whether these count as evaluations."""
    spared: int = 0
    work: dict[str, Any] = attrs.field(factory=dict)
    """Arrays of a number for each child scored: attempts, worker, seconds."""


@final
@attrs.define(eq=False)
class Job:
    """Children of one ask, which are told together when nothing is open of them."""

    children: Offspring
    pieces: list[Offspring] = attrs.field(factory=list)
    """Children that are scored, with their scores."""
    lost: list[int] = attrs.field(factory=list)
    """Children that are given up."""
    spared: int = 0
    work: dict[int, tuple[int, str, float]] = attrs.field(factory=dict)
    """Of each child scored: attempts, worker, seconds."""

    @property
    def known(self) -> set[int]:
        """The ids of children that are scored."""
        return {child for piece in self.pieces for child in piece.ids.tolist()}

    @property
    def complete(self) -> bool:
        """Whether nothing is open."""
        return sum(map(len, self.pieces)) + len(self.lost) == len(self.children)

    def done(self, counts: bool) -> Done:
        """What is to be told; whether children that are given up count."""
        if not self.pieces:
            return Done(None, self.lost, counts)
        scored = _joined(self.pieces)
        nobody = (1, "", np.nan)
        attempts, worker, seconds = zip(*(self.work.get(i, nobody) for i in scored.ids.tolist()), strict=True)
        work = {"attempts": np.array(attempts), "worker": np.array(worker), "took": np.array(seconds, np.float64)}
        return Done(scored, self.lost, counts, self.spared, work)


@final
@attrs.frozen(eq=False)
class Part:
    """Some children of a job, which are scored in one call."""

    job: Job
    children: Offspring
    submitted: float = 0.0


def _joined(pieces: list[Offspring]) -> Offspring:
    """Children that came apart, in the order of their ids."""
    if len(pieces) == 1:
        return pieces[0]
    genomes = pieces[0].genomes
    for piece in pieces[1:]:
        genomes = join(genomes, piece.genomes)
    scores = [piece.scores for piece in pieces if piece.scores is not None]
    rows: NDArray[np.floating] = np.concatenate(scores)
    ids, parents = (np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("ids", "parents"))
    both = attrs.evolve(pieces[0], genomes=genomes, ids=ids, parents=parents, scores=rows)
    return both.take(np.argsort(ids))
