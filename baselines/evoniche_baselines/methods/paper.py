"""M2N2 and its ablations as the paper compares them (Abrantes, Lange and Tang 2025, figure 2)."""

from __future__ import annotations

from typing import Any, final

import attrs

from evoniche import Evolution, m2n2

__all__ = ["PAPER_METHODS", "PaperMethod"]


@final
@attrs.frozen
class PaperMethod:
    """M2N2 with something taken away."""

    name: str
    """As on the command line."""
    label: str
    """As in a table or legend."""
    without: dict[str, Any]
    """The arguments of `evoniche.m2n2` that take it away."""

    def evolution(self, **arguments: Any) -> Evolution:
        """Compose it.

        Args:
            **arguments: Of `evoniche.m2n2`.

        Raises:
            ValueError: An argument that this method fixes is given another value.
        """
        for name in self.without.keys() & arguments.keys():
            raise ValueError(f"{self.name} has {name}={self.without[name]!r} by definition, got {arguments[name]!r}.")
        return m2n2(**arguments, **self.without)


PAPER_METHODS = {
    method.name: method
    for method in (
        PaperMethod("m2n2", "M2N2", {}),
        PaperMethod("m2n2-no-attraction", "M2N2 without attraction", {"attraction": False}),
        PaperMethod("m2n2-no-split-point", "M2N2 without split point", {"split_point": False}),
        PaperMethod("m2n2-no-crossover", "M2N2 without crossover", {"crossover": None}),
        PaperMethod("ga", "GA", {"alpha": 0.0, "attraction": False}),
        PaperMethod("ga-no-crossover", "GA without crossover", {"alpha": 0.0, "attraction": False, "crossover": None}),
    )
}
