"""A scorer that is made where it works."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from typing import Any, final

import attrs

from evoniche.batches import Batch
from evoniche.function_operators import as_scorer
from evoniche.roles import Scorer

__all__ = ["WorkerScorer", "assign"]

_MADE = 2
"""How many scorers a worker keeps."""
_place = threading.local()
"""What a worker, which is one thread of one process, knows of itself: its device, and the scorers that it has made."""


def assign(device: str | None) -> None:
    """Tell this worker its device."""
    _place.device = device


@final
@attrs.frozen
class WorkerScorer(Scorer[Any]):
    """A scorer with set-up cost, such as a model on a GPU, that each worker makes once for itself.

    Args:
        factory: `f(device)`, which makes a `Scorer` or a function of a batch. The device is what the engine assigns:
            one of `WorkerPool(devices=...)`; else "cuda" where CUDA_VISIBLE_DEVICES names one, which Ray, SLURM and
            dask-cuda set for each worker; else "cpu".

    >>> import numpy as np
    >>> scorer = WorkerScorer(lambda device: print("made on", device) or (lambda bits: bits.astype(float)))
    >>> scorer.score(np.array([[0, 1]])), scorer.score(np.array([[1, 1]]))  # made once
    made on cpu
    (array([[0., 1.]]), array([[1., 1.]]))
    """

    factory: Callable[[str], Any] = attrs.field(validator=attrs.validators.is_callable())
    _key: str = attrs.field(factory=lambda: uuid.uuid4().hex, init=False, repr=False, eq=False)

    def score(self, genomes: Batch) -> Any:
        """Score the batch by this worker's own scorer."""
        return self.set_up().score(genomes)

    def set_up(self) -> Scorer[Any]:
        """This worker's own scorer, which is made if it is not there."""
        made: dict[str, Scorer[Any]] = vars(_place).setdefault("made", {})
        if self._key not in made:
            while len(made) >= _MADE:
                made.pop(next(iter(made)))
            made[self._key] = as_scorer(self.factory(_device()))
        return made[self._key]


def _device() -> str:
    device = getattr(_place, "device", None)
    if device is not None:
        return str(device)
    return "cuda" if os.environ.get("CUDA_VISIBLE_DEVICES", "-1") not in ("", "-1") else "cpu"
