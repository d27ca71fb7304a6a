"""From the arguments of `run` to who scores, and how."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any, Literal

from evoniche._validators import whole_number
from evoniche.evolution.failures import Failures
from evoniche.evolution.rejection import Rejection
from evoniche.evolution.workers.dispatcher import Dispatcher
from evoniche.evolution.workers.here import Here
from evoniche.evolution.workers.pool import WorkerPool
from evoniche.evolution.workers.remote import Remote

__all__ = ["dispatcher"]

_COUNTS = ("count", "_max_workers", "num_workers")
"""Names by which executors know how many workers they have: ours, those of the standard library, that of mpi4py."""


def dispatcher(
    evolution: Any,
    failures: Failures | None,
    rejection: Rejection | None,
    workers: int | None,
    executor: Executor | None,
    ordered: bool | int,
    breed: Literal["here", "worker"],
) -> Dispatcher | None:
    """Who sends children to be scored; None where they are simply scored here, one step after the other.

    Args:
        evolution: Whose children they are.
        failures: What to do about attempts that fail.
        rejection: Scores them here, if anybody.
        workers: How many calls run at a time.
        executor: Who runs them; a `WorkerPool` when None.
        ordered: Whether they are told in the order of asks, or how many asks are open then.
        breed: Where crossover and mutation are at work.

    Raises:
        ValueError: A number out of range, or what cannot go together.
    """
    if failures is not None and not isinstance(failures, Failures):
        raise ValueError(f"failures must be Failures(...) or None, got {failures!r}.")
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise ValueError(f"executor must have the interface of concurrent.futures.Executor, got {executor!r}.")
    at_once = None if workers is None else whole_number("workers", workers, 1)
    if breed not in ("here", "worker"):
        raise ValueError(f"breed must be 'here' or 'worker', got {breed!r}.")
    if at_once is None and executor is None:
        if failures is not None and failures.timeout is not None:
            raise ValueError(
                f"Failures(timeout={failures.timeout:g}) needs run(workers=1) or more: a scorer in this process cannot "
                "be stopped."
            )
        if breed == "worker" or ordered:
            raise ValueError("run(breed='worker') and run(ordered=...) need workers: run(workers=...).")
        if failures is None and not evolution._history.underway:
            return None
        return Dispatcher(evolution, failures, Here(evolution, rejection))
    if rejection is not None:
        raise ValueError(
            "run(reject_early=...) cannot have workers: which child is certain to leave depends on the members at the "
            "moment in which it is told, and with workers they change while it is scored."
        )
    if at_once is None:
        at_once = next((n for n in (getattr(executor, name, None) for name in _COUNTS) if isinstance(n, int)), None)
        if at_once is None:
            raise ValueError(f"how many children {type(executor).__name__} scores at a time must be said: workers=...")
    asks = at_once if isinstance(ordered, bool) else whole_number("ordered", ordered, 1)
    breeds = breed == "worker"
    own = executor is None
    pool: Executor = WorkerPool(at_once) if executor is None else executor
    backend = Remote(evolution, pool, own, breeds or bool(evolution._history.underway.unbred))
    return Dispatcher(evolution, failures, backend, at_once, asks, bool(ordered), breeds)
