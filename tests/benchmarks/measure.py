"""How the benchmarks measure: ratios within one run, never seconds.

What is compared is timed in turn, again and again, so that a slow moment of the machine (a neighbour, a lower clock)
falls on all of it. A ratio is taken within each round, and the median over the rounds is what counts. What has one
thread is timed by the processor's clock, which stands still while another process has the core.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray


@attrs.frozen(eq=False)
class Row:
    """One line of the table: a ratio, and what it should be."""

    benchmark: str
    name: str
    ratios: NDArray[np.float64] = attrs.field(converter=np.atleast_1d)
    """One for each round."""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def measured(self) -> float:
        return float(np.median(self.ratios))

    @property
    def target(self) -> str:
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return "" if self.at_least is None else f"at least {self.at_least:g}"

    @property
    def met(self) -> bool | None:
        """None when there is no target."""
        if self.at_most is not None:
            return self.measured <= self.at_most
        return None if self.at_least is None else self.measured >= self.at_least


def rounds(
    repetitions: int, tasks: Mapping[str, Callable[[], object]], clock: Callable[[], float] = time.process_time
) -> dict[str, NDArray[np.float64]]:
    """Seconds of each task in each round, shape (repetitions,), after a round that does not count.

    Tasks with several threads need `clock=time.perf_counter`.
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(repetitions + 1):
        for name in tasks if number % 2 else reversed(tasks):  # nobody always comes first
            start = clock()
            tasks[name]()
            seconds[name].append(clock() - start)
    return {name: np.array(values[1:]) for name, values in seconds.items()}


def breakdown(title: str, parts: Mapping[str, ArrayLike], unit: str) -> None:
    """Print the medians of some amounts."""
    print(f"\n{title} (medians)")
    width = max(map(len, parts))
    for name, values in parts.items():
        print(f"  {name:<{width}} {np.median(values):10.1f} {unit}")


def table(rows: list[Row]) -> str:
    """The rows in Markdown."""
    lines = [("benchmark", "ratio", "measured", "min to max", "target", "met"), ("---",) * 6]
    for row in rows:
        spread = f"{row.ratios.min():.2f} to {row.ratios.max():.2f}" if len(row.ratios) > 1 else ""
        met = {None: "", True: "yes", False: "**no**"}[row.met]
        lines.append((row.benchmark, row.name, f"{row.measured:.2f}", spread, row.target, met))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
