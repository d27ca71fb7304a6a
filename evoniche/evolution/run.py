"""A run: ask, score and tell until a budget is spent."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, final

import attrs
import numpy as np
from tqdm.auto import tqdm

from evoniche import _log
from evoniche._validators import number
from evoniche.evolution.budget import Budget
from evoniche.evolution.history import COLUMNS, History, describe
from evoniche.evolution.interrupts import Interrupts
from evoniche.evolution.rejection import Rejection
from evoniche.evolution.workers import Dispatcher, Done
from evoniche.population import Offspring

__all__ = ["OneAtATime", "Run", "warn_of_nothing"]


@final
class OneAtATime:
    """Lets one thread run an evolution, and refuses a second one."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        return {}  # a copy is run by nobody

    def __setstate__(self, _: dict[str, Any]) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("another thread runs this evolution already: give each thread an evolution of its own.")

    def __exit__(self, *error: object) -> None:
        self._lock.release()


@final
@attrs.frozen
class Run:
    """What `Evolution.run` was asked for; `go` does it."""

    evolution: Any
    history: History
    budget: Budget
    callbacks: Sequence[Callable[[Any], object]]
    metrics: Mapping[str, Callable[[Any], float]] = attrs.field()
    record_every: int
    coverage_threshold: float = attrs.field()
    rejection: Rejection | None = None
    dispatcher: Dispatcher | None = None
    _interrupts: Interrupts = attrs.field(factory=Interrupts, init=False)

    @metrics.validator
    def _check_names(self, _: object, metrics: Mapping[str, Any]) -> None:
        if taken := sorted(COLUMNS.intersection(metrics)):
            raise ValueError(f"metrics must have names of their own, the history has {', '.join(taken)} already.")

    @coverage_threshold.validator
    def _check_threshold(self, _: object, threshold: object) -> None:
        number("coverage_threshold", threshold, 0)

    def go(self, next_children: Callable[[int], Offspring], progress: bool) -> str:
        """Go on until the budget is spent, a callback asks for an end, or Ctrl-C.

        Args:
            next_children: Gives at most so many children to be scored.
            progress: Show a bar on standard error.

        Returns:
            Why it ended.
        """
        bar = tqdm(
            total=self.budget.total,
            initial=self.evolution.evaluations,
            disable=not progress,
            unit="eval",
            dynamic_ncols=True,
        )
        with self._interrupts.handled(), bar:
            try:
                stopped = self._advance(next_children, bar)
                self._record(bar)
            except KeyboardInterrupt:
                stopped = "interrupted"
                bar.clear()
                _log.warning("interrupted after {} evaluations", self.evolution.evaluations)
                with suppress(KeyboardInterrupt):  # a second one does without the last record
                    self._record(bar)
            finally:
                if self.dispatcher is not None:
                    with suppress(KeyboardInterrupt), self._interrupts:
                        self.dispatcher.close()
        _log.info("stopped by {} after {} evaluations", stopped, self.evolution.evaluations)
        return stopped

    def _advance(self, next_children: Callable[[int], Offspring], bar: tqdm) -> str:
        evolution, budget = self.evolution, self.budget
        start = time.monotonic() - self.history.seconds
        if self.history.recorder is not None:
            self._record_if_due(bar)  # a run that was killed may not have come to it
        while not (stopped := budget.spent(evolution.evaluations, self._best, self.history.scored)):
            told = evolution.evaluations
            done = self._next(next_children)
            self.history.seconds = time.monotonic() - start
            with self._interrupts:  # what was paid for is kept: Ctrl-C waits for the end of the tell
                self._tell(done)
            self.history.seconds = time.monotonic() - start
            bar.update(evolution.evaluations - told)
            self._record_if_due(bar)
            # All are called, also after one has asked for an end.
            if sum(bool(callback(evolution)) for callback in self.callbacks):
                return "callback"
        return stopped

    @property
    def _best(self) -> float:
        """The score of the best solution ever told."""
        return self.evolution.best.score if self.evolution.best else -np.inf

    def _next(self, next_children: Callable[[int], Offspring]) -> Done:
        """What is to be told next."""
        evolution, budget = self.evolution, self.budget
        if self.dispatcher is not None:
            return self.dispatcher.next(lambda n: budget.step(evolution.evaluations + n, evolution.batch_size))
        children = next_children(budget.step(evolution.evaluations, evolution.batch_size))
        scores, spared = self._score(children)
        return Done(attrs.evolve(children, scores=scores), spared=spared)

    def _tell(self, done: Done) -> None:
        evolution, history = self.evolution, self.history
        history.spared, history.underway.work = done.spared, done.work
        if done.scored is not None:
            evolution.tell(done.scored, done.scored.scores)
            history.scored += len(done.scored) * evolution.population.scores.shape[1] - done.spared
        if done.lost:
            evolution.give_up(done.lost, count=done.counts)

    def _score(self, children: Offspring) -> tuple[Any, int]:
        """Scores of children, and how many of them were spared."""
        try:
            if self.rejection is not None:
                return self.rejection.score(children, self._best)
            return self.evolution.parts.scorer.score(children.genomes), 0
        except Exception as error:
            error.add_note(
                f"raised by the scorer on children {children.ids.tolist()}; run() goes on with them, unless they are "
                "given up first: evolution.give_up(ids)."
            )
            raise

    def _record_if_due(self, bar: tqdm) -> None:
        if self.evolution.evaluations >= self.history.last("evaluations", -self.record_every) + self.record_every:
            self._record(bar)

    def _record(self, bar: tqdm) -> None:
        evolution = self.evolution
        if evolution.best is None or self.history.last("evaluations") == evolution.evaluations:
            return
        state = {"best": evolution.best.score, **describe(evolution.population, self.coverage_threshold)}
        more = {name: metric(evolution) for name, metric in self.metrics.items()}
        spent = {"evaluations": evolution.evaluations, "seconds": self.history.seconds, "scored": self.history.scored}
        self.history.record({**spent, **state, **more})
        shown = {"best": f"{state['best']:.4g}", "mean": f"{state['mean']:.4g}", "coverage": f"{state['coverage']:.1%}"}
        bar.set_postfix(shown, refresh=False)


def warn_of_nothing(told: int, stopped: str) -> None:
    """Tell the caller of `Evolution.run` that its end had been reached before it began."""
    if stopped in ("evaluations", "scores", "target", "seconds"):
        warnings.warn(
            f"this run had nothing to do: after {told} evaluations told before, its end ({stopped}) was reached "
            "already. run(100) makes 100 more, run(total=100) goes up to 100 in all.",
            stacklevel=3,
        )
