"""When a run is over."""

from __future__ import annotations

import time
from typing import final

import attrs

from evoniche._validators import at_least, whole

__all__ = ["Budget"]


@final
@attrs.frozen
class Budget:
    """What a run may spend, and what is good enough.

    Raises:
        ValueError: A negative or otherwise impossible value.
    """

    evaluations: int | None = attrs.field(default=None, validator=attrs.validators.optional(whole(0)))
    """Children told in all."""
    seconds: float | None = attrs.field(default=None, validator=attrs.validators.optional(at_least(0)))
    """From the making of this budget on."""
    target: float | None = attrs.field(default=None, validator=attrs.validators.optional(at_least(0)))
    """Best mean score."""
    _start: float = attrs.field(factory=time.monotonic, init=False)

    def spent(self, evaluations: int, best: float) -> str:
        """What has been reached, "target", "evaluations" or "seconds"; "" while none is."""
        if self.target is not None and best >= self.target:
            return "target"
        if self.evaluations is not None and evaluations >= self.evaluations:
            return "evaluations"
        late = self.seconds is not None and time.monotonic() - self._start >= self.seconds
        return "seconds" if late else ""

    def step(self, evaluations: int, size: int) -> int:
        """A step of `size`, or what is left."""
        return size if self.evaluations is None else min(size, self.evaluations - evaluations)
