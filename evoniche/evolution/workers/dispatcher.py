"""Who is scored when, and what is done about attempts that fail."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Protocol, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche import _log
from evoniche.batches import copied
from evoniche.evolution.failures import Failure, Failures
from evoniche.evolution.workers.breeding import ask_unbred
from evoniche.evolution.workers.job import Done, Job, Part, Report
from evoniche.population import Offspring
from evoniche.scores import read_scores

__all__ = ["Backend", "Dispatcher"]


_MOMENT = 0.2  # seconds until a call that has not begun is looked at again


class Backend(Protocol):
    """Where children are scored."""

    def start(self, children: Offspring) -> Future[Any]:
        """Begin to score children."""

    def since(self, future: Future[Any], submitted: float) -> float | None:
        """When a call that was submitted then has begun; None before."""

    def read(self, future: Future[Any], children: Offspring) -> Report | None:
        """What came of a call that is done; None when the children have to be sent once more."""

    def stop(self, future: Future[Any]) -> None:
        """Wait no longer for a call."""

    def close(self, running: list[Future[Any]]) -> None:
        """Let go of calls that are running."""


@final
class Dispatcher:
    """Keeps workers at work: asks for children, has them scored, and says what is to be told next.

    The unit is the ask: its children are told together, when each of them is scored or given up. As many asks are open
    as there are workers, or as the order of tells allows, and as soon as one is told, the next is made.
    """

    def __init__(
        self,
        evolution: Any,
        failures: Failures | None,
        backend: Backend,
        at_once: int = 1,
        open_asks: int = 1,
        ordered: bool = False,
        breeds: bool = False,
    ) -> None:
        """Make ready.

        Args:
            evolution: Whose children are scored.
            failures: What to do about attempts that fail; None to raise.
            backend: Where they are scored.
            at_once: Calls that run at a time.
            open_asks: Asks that are open at a time.
            ordered: Tell in the order of asks, not as they come back.
            breeds: Whether the backend makes the children of their parents.
        """
        self._evolution = evolution
        self._underway = evolution._history.underway
        self._failures = failures
        self._backend = backend
        self._at_once, self._open, self._ordered, self._breeds = at_once, open_asks, ordered, breeds
        self._left = deque(_by_ask(evolution))
        self._jobs: list[Job] = []
        self._given: Job | None = None
        self._queue: deque[Part] = deque()
        self._running: dict[Future[Any], Part] = {}
        self._in_a_row = 0

    def next(self, room: Callable[[int], int]) -> Done:
        """What is to be told next; it counts as told when this is called again.

        Args:
            room: How many children may be asked for when so many are open.

        Raises:
            Exception: What a scorer has raised, where failures are not to be survived.
        """
        self._told()
        while True:
            self._fill(room)
            for job in self._jobs[:1] if self._ordered else self._jobs:
                if job.complete and self._agrees(job):
                    self._given = job
                    return job.done(self._failures is not None and self._failures.count)
            self._receive()

    def close(self) -> None:
        """End what runs; scores that have come, or come at this moment, are kept for the next run."""
        try:
            self._told()
            self._failures = None
            for future, part in list(self._running.items()):
                if future.done() and not future.cancelled():
                    self._salvage(part, future)
            for job in self._jobs:
                for piece in job.pieces:
                    self._keep(piece)
        finally:
            self._backend.close(list(self._running))

    def _told(self) -> None:
        """Forget the job that was given out, if it was told."""
        job, self._given = self._given, None
        if job is not None:
            still = self._open_ids()
            if still.isdisjoint(job.children.ids.tolist()):
                self._jobs.remove(job)
                self._underway.forget(job.children.ids.tolist())

    def _open_ids(self) -> set[int]:
        return set(self._evolution._books.open_ids())

    def _fill(self, room: Callable[[int], int]) -> None:
        """Ask for as many children as may be open, and start what workers are free for."""
        while len(self._jobs) < self._open:
            n = room(sum(len(job.children) for job in self._jobs))
            children = self._more(n) if n > 0 else None
            if children is None:
                break
            self._begin(children)
        while self._queue and len(self._running) < self._at_once:
            part = self._queue[0]
            children = part.children
            if isinstance(children.genomes, list):
                children = attrs.evolve(children, genomes=copied(children.genomes))  # a scorer may change what it gets
            self._running[self._backend.start(children)] = Part(part.job, children, time.monotonic())
            self._queue.remove(part)

    def _more(self, n: int) -> Offspring | None:
        """At most n children; None while there is nobody to breed."""
        evolution = self._evolution
        if self._left:
            children = self._left.popleft()
            if len(children) > n:
                self._left.appendleft(children.take(range(n, len(children))))
                children = children.take(range(n))
            return children
        all_given = evolution._books.ledger.given >= len(evolution._initial)
        if self._jobs and all_given and not len(evolution.population):
            return None
        asked: Offspring = ask_unbred(evolution, n) if self._breeds else evolution.ask(n)
        return asked

    def _begin(self, children: Offspring) -> None:
        """Make a job of children, of which some may be scored already, or have no attempts left."""
        job = Job(children)
        self._jobs.append(job)
        policy, underway = self._failures, self._underway
        rest = []
        for i, child in enumerate(children.ids.tolist()):
            if child in underway.arrived:
                job.pieces.append(underway.arrived[child])
            elif policy is not None and underway.attempts.get(child, 0) >= policy.attempts:
                if policy.then == "give up":
                    job.lost.append(child)
                else:
                    underway.attempts.pop(child)
                    rest.append(i)
            else:
                rest.append(i)
        if rest:
            self._queue.append(Part(job, children.take(rest)))

    def _receive(self) -> None:
        """Wait until something comes back, or is late."""
        assert self._running
        limit = None if self._failures is None else self._failures.timeout
        left = None if limit is None else min(self._seconds_left(future, limit) for future in self._running)
        finished = wait(self._running, left if left is None else max(0.0, left), FIRST_COMPLETED).done
        for future in [future for future in self._running if future in finished]:
            self._read(self._running[future], future)
            self._running.pop(future)
        if limit is None:
            return
        for future, part in list(self._running.items()):
            if not future.done() and self._seconds_left(future, limit) <= 0:
                self._running.pop(future)
                self._backend.stop(future)
                seconds = limit * len(part.children)
                error = TimeoutError(f"children {part.children.ids.tolist()} took more than {seconds:g} s.")
                self._failed(part, part.children, Report(seconds, failure=Failure.of(error)))

    def _seconds_left(self, future: Future[Any], limit: float) -> float:
        """How long a call may take still; a moment when it has not begun."""
        part = self._running[future]
        start = self._backend.since(future, part.submitted)
        return _MOMENT if start is None else start + limit * len(part.children) - time.monotonic()

    def _read(self, part: Part, future: Future[Any]) -> None:
        report = self._backend.read(future, part.children)
        if report is None:
            self._queue.appendleft(Part(part.job, part.children))
            return
        if report.failure is not None:
            self._failed(part, part.children, report)
            return
        for failed, failure in self._scored(part, report):
            self._failed(part, failed, attrs.evolve(report, failure=failure))

    def _scored(self, part: Part, report: Report) -> list[tuple[Offspring, Failure]]:
        """Keep the scores of a report; children whose scores are none."""
        children, job = part.children, part.job
        if report.genomes is not None:
            children = attrs.evolve(children, genomes=report.genomes)
        rows, wrong = _rows(report.scores, children.ids.tolist(), self._like())
        good = [i for i in rows if int(children.ids[i]) not in job.known]
        if good:
            piece = attrs.evolve(children.take(good), scores=np.stack([rows[i] for i in good]))
            job.spared += report.spared
            for child in piece.ids.tolist():
                tries = self._underway.attempts.get(child, 0) + 1
                job.work[child] = (tries, report.worker, report.seconds / len(children))
            job.pieces.append(piece)
            self._in_a_row = 0
            if self._ordered and job is not self._jobs[0]:
                self._keep(piece)
        return [(part.children.take(places), failure) for places, failure in wrong]

    def _like(self) -> NDArray[np.floating] | None:
        population = self._evolution.population
        return population.scores if len(population) else None

    def _agrees(self, job: Job) -> bool:
        """Whether all scores are of the same cases; those that are not have failed."""
        if not job.pieces:
            return True
        like = self._like()
        cases = (job.pieces[0].scores if like is None else like).shape[1]  # type: ignore[union-attr]
        odd = [piece for piece in job.pieces if piece.scores is not None and piece.scores.shape[1] != cases]
        for piece in odd:
            job.pieces.remove(piece)
            ids, given = piece.ids.tolist(), piece.scores.shape[1] if piece.scores is not None else 0
            error = ValueError(f"scores of children {ids} must have {cases} cases as before, got {given}.")
            asked = np.isin(job.children.ids, piece.ids)
            part = Part(job, job.children.take(asked))
            self._failed(part, part.children, Report(0.0, failure=Failure.of(error)))
        return not odd

    def _failed(self, part: Part, children: Offspring, report: Report) -> None:
        """An attempt has failed: find the guilty child, try again, give up or raise."""
        failure, policy, ids = report.failure, self._failures, children.ids.tolist()
        assert failure is not None
        if policy is None or not policy.covers(failure):
            raise _noted(failure, f"raised by the scorer on children {ids}; run() goes on with them, unless they are "
                         "given up first: evolution.give_up(ids).")  # fmt: skip
        if len(ids) > 1:
            half = len(ids) // 2
            self._queue.extendleft([Part(part.job, children.take(range(half, len(ids))))])
            self._queue.extendleft([Part(part.job, children.take(range(half)))])
            return
        recorder = self._evolution._history.recorder
        number = self._underway.fail(ids[0], failure, report.worker, report.seconds, recorder)
        _log.warning("child {}: attempt {} of {} failed: {}", ids[0], number, policy.attempts, failure.summary)
        if number < policy.attempts:
            self._queue.appendleft(Part(part.job, children))
            return
        if policy.then == "stop":
            raise _noted(failure, f"attempt {number} of {policy.attempts} at child {ids[0]}, which stays open.")
        self._in_a_row += 1
        if self._in_a_row >= policy.in_a_row:
            raise _noted(failure, f"{policy.in_a_row} children in a row could not be scored, so the scorer itself "
                         f"seems to be broken. Child {ids[0]} stays open. See Failures(in_a_row=...).")  # fmt: skip
        part.job.lost.append(ids[0])

    def _salvage(self, part: Part, future: Future[Any]) -> None:
        """Take what has come, if it is scores."""
        try:
            report = self._backend.read(future, part.children)
            if report is not None and report.failure is None:
                self._scored(part, report)
        except Exception as error:
            _log.info("what came of children {} at the end is of no use: {}", part.children.ids.tolist(), error)

    def _keep(self, piece: Offspring) -> None:
        still = self._open_ids()
        chosen = [i for i, child in enumerate(piece.ids.tolist()) if child in still]
        if chosen:
            self._underway.keep(piece.take(chosen), self._evolution._history.recorder)


def _by_ask(evolution: Any) -> list[Offspring]:
    """The open children, those of one ask together."""
    books, asks = evolution._books, dict[int, list[int]]()
    for child in books.open_ids():
        asks.setdefault(books.look(lambda c=child: books.find([c], books.ledger))[0].ask, []).append(child)
    return [books.look(lambda i=ids: books.find(i, books.ledger))[0] for ids in asks.values()]


def _rows(
    scores: Any, ids: list[int], like: NDArray[np.floating] | None
) -> tuple[dict[int, NDArray[np.floating]], list[tuple[list[int], Failure]]]:
    """The rows of scores that are in order, by their places, and the places of the others with what is wrong."""
    try:
        return dict(enumerate(read_scores(scores, ids, like))), []
    except Exception as error:
        everything = [(list(range(len(ids))), Failure.of(error))]
    rows: dict[int, NDArray[np.floating]] = {}
    wrong = []
    try:
        if len(ids) == 1 or len(scores) != len(ids):
            return {}, everything
        for i in range(len(ids)):
            try:
                rows[i] = read_scores(scores[i : i + 1], ids[i : i + 1], like)[0]
            except ValueError as error:
                wrong.append(([i], Failure.of(error)))
    except Exception:  # no rows at all
        return {}, everything
    same = len({len(row) for row in rows.values()}) == 1
    return (rows, wrong) if same else ({}, everything)


def _noted(failure: Failure, note: str) -> BaseException:
    error = failure.error
    error.add_note(note)
    return error
