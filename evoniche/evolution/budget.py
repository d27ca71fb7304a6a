"""When a run is over."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, final

import attrs

from evoniche._validators import number, whole_number

__all__ = ["Budget"]


@final
@attrs.frozen
class Budget:
    """What a run may spend, and what is good enough."""

    total: int | None
    """Children told in all when it is spent."""
    seconds: float | None
    """From the making of this budget on."""
    target: float | None
    """Score of the best solution ever told."""
    scores: int | None = None
    """Scores looked at in all when it is spent."""
    _start: float = attrs.field(factory=time.monotonic, init=False)

    @classmethod
    def of(
        cls,
        told: int,
        evaluations: int | None,
        total: int | None,
        seconds: float | None,
        target: float | None,
        callbacks: Sequence[Any],
        scores: int | None = None,
        scored: int = 0,
    ) -> Budget:
        """The budget of a run that begins after so many children were told, and so many scores looked at.

        Raises:
            ValueError: No end at all, `evaluations` and `total` at once, or a value that is negative or otherwise
                impossible.
        """
        if callable(callbacks):
            raise ValueError(f"callbacks must be a list of functions, got one: [{callbacks!r}].")
        if all(end is None for end in (evaluations, total, seconds, target, scores)) and not callbacks:
            raise ValueError(
                "run needs an end: evaluations, total, scores, seconds, target, or a callback that stops it."
            )
        if evaluations is not None and total is not None:
            raise ValueError(
                f"give evaluations=... (so many more) or total=... (so many in all), got {evaluations!r} and {total!r}."
            )
        for name, value in (("seconds", seconds), ("target", target)):
            if value is not None:
                number(name, value, 0)
        if evaluations is not None:
            total = told + whole_number("evaluations", evaluations, 0)
        elif total is not None:
            total = whole_number("total", total, 0)
        if scores is not None:
            scores = scored + whole_number("scores", scores, 0)
        return cls(total, seconds, target, scores)

    def spent(self, evaluations: int, best: float, scored: int = 0) -> str:
        """What has been reached, "target", "evaluations", "scores" or "seconds"; "" while none is."""
        if self.target is not None and best >= self.target:
            return "target"
        if self.total is not None and evaluations >= self.total:
            return "evaluations"
        if self.scores is not None and scored >= self.scores:
            return "scores"
        late = self.seconds is not None and time.monotonic() - self._start >= self.seconds
        return "seconds" if late else ""

    def step(self, evaluations: int, size: int) -> int:
        """A step of `size`, or what is left."""
        return size if self.total is None else min(size, self.total - evaluations)
