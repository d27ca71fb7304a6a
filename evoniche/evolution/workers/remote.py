"""Scoring by an executor: what is sent to a worker, and what the worker does.

The scorer travels once to each worker, not with each child: a call names it, a worker that does not know it says so,
and is then sent the scorer as well. Workers in this process (threads) find the very scorer, and nothing is pickled.
"""

from __future__ import annotations

import os
import pickle
import socket
import threading
import uuid
from concurrent.futures import BrokenExecutor, Executor, Future
from functools import partial
from typing import Any, final

import attrs

from evoniche.batches import Batch
from evoniche.evolution.failures import Failure
from evoniche.evolution.workers.breeding import Pairs, Variation, unbred
from evoniche.evolution.workers.job import Report, attempt
from evoniche.evolution.workers.pool import WorkerPool
from evoniche.population import Offspring
from evoniche.roles import Scorer
from evoniche.scorers import WorkerScorer

__all__ = ["Remote"]

_PROCESS = uuid.uuid4().hex
_SENT = 2
"""How many scorers that came from elsewhere a worker keeps."""


@final
@attrs.frozen(eq=False)
class Maker:
    """What a worker needs to know once."""

    scorer: Scorer[Any]
    variation: Variation | None


@final
@attrs.frozen(eq=False)
class Call:
    """A few children to be scored."""

    key: str
    """The name of the maker."""
    home: tuple[str, int]
    """The process from which the call came."""
    genomes: Batch
    pairs: Pairs | None = None
    """Parents, where the genomes have to be bred first."""
    maker: bytes | None = None
    """The maker, pickled; None as long as the worker is believed to know it."""


_here: dict[str, Maker] = {}
"""Makers of this process."""
_sent: dict[str, Maker] = {}
"""Makers that came from others."""
_sending = threading.Lock()
"""A worker of a cluster may have several threads."""


def perform(call: Call) -> Any:
    """Score children in a worker.

    Returns:
        A `Report`, pickled when it has to leave this process; None when the maker is not known here.
    """
    inside = call.home == _home()
    worker = f"{socket.gethostname()}:{os.getpid()}"
    try:
        maker = _here.get(call.key) if inside else _maker(call)
        if maker is None:
            return None
        report = _score(maker, call, inside, worker)
        return report if inside else pickle.dumps(report)
    except BaseException as error:  # also what ends a process in an orderly way, and scores that do not pickle
        return pickle.dumps(Report(0.0, worker, failure=Failure.of(error).portable()))


def _score(maker: Maker, call: Call, inside: bool, worker: str) -> Report:
    genomes, variation = call.genomes, maker.variation
    before = b"" if inside or call.pairs is not None else pickle.dumps(genomes)

    def score() -> tuple[Any, int]:
        nonlocal genomes
        if call.pairs is not None:
            genomes = call.pairs.breed(variation)
        return maker.scorer.score(genomes), 0

    report = attempt(score, worker)
    if report.failure is not None:
        return report if inside else attrs.evolve(report, failure=report.failure.portable())
    changed = call.pairs is not None or (not inside and pickle.dumps(genomes) != before)
    return attrs.evolve(report, genomes=genomes if changed else None)


def introduce(key: str, maker: bytes) -> None:
    """Make a maker known to this worker; a scorer with set-up cost is set up."""
    made: Maker = pickle.loads(maker)
    with _sending:
        while len(_sent) >= _SENT:
            _sent.pop(next(iter(_sent)))
        _sent[key] = made
    if isinstance(made.scorer, WorkerScorer):
        made.scorer.set_up()


def _maker(call: Call) -> Maker | None:
    if call.key not in _sent and call.maker is not None:
        introduce(call.key, call.maker)
    return _sent.get(call.key)


def _home() -> tuple[str, int]:
    return _PROCESS, os.getpid()


@final
class Remote:
    """Sends children to an executor."""

    def __init__(self, evolution: Any, executor: Executor, own: bool, breeds: bool) -> None:
        """Make ready.

        Args:
            evolution: Whose children are scored.
            executor: Whose workers score them.
            own: Whether the executor ends with the run.
            breeds: Whether children may have to be bred there.
        """
        self._evolution = evolution
        self._executor = executor
        self._own = own
        self._maker = Maker(evolution.parts.scorer, Variation.of(evolution) if breeds else None)
        self._key = uuid.uuid4().hex
        self._pickled: bytes | None = None
        self._calls: dict[Future[Any], Call] = {}
        self._unknown: set[int] = set()
        self._pool = executor if isinstance(executor, WorkerPool) else None
        _here[self._key] = self._maker
        if self._pool is not None:
            self._pool.prepare(partial(introduce, self._key, self._sendable()))

    def since(self, future: Future[Any], submitted: float) -> float | None:
        """When a call has begun; None before. An executor that does not tell is believed to begin at once."""
        return submitted if self._pool is None else self._pool.since(future)

    def start(self, children: Offspring) -> Future[Any]:
        """Begin to score children."""
        sends = int(children.ids[0]) in self._unknown
        pairs = unbred(self._evolution, children)
        genomes = children.genomes if pairs is None else None
        call = Call(self._key, _home(), genomes, pairs, self._sendable() if sends else None)
        try:
            future: object = self._executor.submit(perform, call)
        except BrokenExecutor as error:
            raise self._broken(error) from error
        if not isinstance(future, Future):  # what `concurrent.futures.wait` cannot wait for
            kind, got = type(self._executor).__name__, type(future).__name__
            raise TypeError(
                f"executor={kind}(...) must give a concurrent.futures.Future for each call, its submit gave {got}. "
                "See docs/running.md, 'Clusters'."
            )
        return future

    def read(self, future: Future[Any], children: Offspring) -> Report | None:
        """What came of it; None when the children have to be sent once more, together with the scorer."""
        first = int(children.ids[0])
        error = future.exception()
        if error is not None:
            if isinstance(error, BrokenExecutor) and self._pool is None:
                raise self._broken(error) from error
            return Report(0.0, failure=Failure.of(error))
        report = future.result()
        if report is None:
            self._unknown.add(first)
            return None
        self._unknown.discard(first)
        return report if isinstance(report, Report) else _unpickled(report)

    def stop(self, future: Future[Any]) -> None:
        """Wait no longer for a call: end its worker if that can be done."""
        kill = getattr(self._executor, "kill", None)  # WorkerPool and RayExecutor have it
        if kill is None:
            future.cancel()
        else:
            kill(future)

    def close(self, running: list[Future[Any]]) -> None:
        """Let go of calls that are running, and of the executor if it is the run's own."""
        _here.pop(self._key, None)
        if self._own:
            self._executor.shutdown(wait=True, cancel_futures=True)
            return
        for future in running:
            self.stop(future)

    def _sendable(self) -> bytes:
        if self._pickled is None:
            import cloudpickle  # also functions of scripts and notebooks

            try:
                self._pickled = cloudpickle.dumps(self._maker)
            except Exception as error:
                error.add_note(
                    "the scorer and, with run(breed='worker'), crossover and mutation are sent to worker processes: "
                    "what cannot be sent is made there by a WorkerScorer(factory), or runs in threads of this process: "
                    "run(executor=ThreadPoolExecutor(...))."
                )
                raise
        return self._pickled

    def _broken(self, error: BaseException) -> RuntimeError:
        return RuntimeError(
            f"{type(self._executor).__name__} is broken, as it is when one of its workers has died ({error}). The "
            "children are open still, and the next run goes on with them. run(workers=...) replaces workers that die."
        )


def _unpickled(report: bytes) -> Report:
    try:
        read: Report = pickle.loads(report)
        return read
    except Exception as error:
        error.add_note("raised by what a worker has sent: scores must be arrays that this process can read as well.")
        return Report(0.0, failure=Failure.of(error))
