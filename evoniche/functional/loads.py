"""The load of the cases while members leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["RunningLoad"]


@final
class RunningLoad(NamedTuple):
    """z while members leave. It is never changed: each change makes another one.

    The rows that leave are subtracted from the load. It is summed afresh once in a while, which costs little and keeps
    rounding errors from piling up, and also where it has become so small beside what was subtracted that errors would
    show.
    """

    load: NDArray[np.float64]
    """z, shape (cases,)."""
    peak: NDArray[np.float64] | float = 0.0
    """The largest load since its last fresh sum, shape (cases,): rounding errors are relative to this."""
    changes: int = 0
    """The number of members that have left since the load was last summed afresh."""

    def without(
        self, taken: NDArray[np.floating], members: int, staying: Callable[[], NDArray[np.floating]], *, binary: bool
    ) -> RunningLoad:
        """Return the load after some members have left.

        Args:
            taken: Their scores, shape (leavers, cases).
            members: How many stay.
            staying: Gives the scores of those who stay, shape (members, cases), when a fresh sum is due.
            binary: Whether all scores are 0 or 1, so that nothing is ever rounded.
        """
        changes = self.changes + len(taken)
        if changes >= members:
            return RunningLoad(staying().sum(axis=0, dtype=np.float64))
        load = self.load - (taken[0] if len(taken) == 1 else taken.sum(axis=0, dtype=np.float64))
        if binary:
            return RunningLoad(load, 0.0, changes)
        peak = np.maximum(self.peak, self.load)
        (lost,) = (load < 1e-6 * peak).nonzero()
        if len(lost):
            load[lost] = peak[lost] = staying()[:, lost].sum(axis=0, dtype=np.float64)
        return RunningLoad(load, peak, changes)
