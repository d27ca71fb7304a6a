"""One ask and tell of one child among 1,000 members with 100,000 binary scores each, over one pass of the matrix.

At this size everything is memory traffic. The unit is one float32 product `S @ w` of the same 400 MB: the draw of
the first parent, that of the mate, and the replacement each need about one. Genomes are tiny, to leave them out.

Children that stay, so that another member leaves, and children that are the worst themselves are timed apart, some in
a row, because what one leaves behind (a fitness that is still right) may save the next a pass. The former are the
harder case, and the target is theirs. Memory is that of a fresh process that fills such a population and goes on.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from measure import Row, breakdown, rounds, table
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import evoniche

NAME = "large population"
MEMBERS, CASES = 1_000, 100_000
SOLVED = 0.3  # share of the cases that a member solves
CHILDREN = 4  # told in a row
ROUNDS = 12
MATRIX_BYTES = MEMBERS * CASES * 4


def run() -> list[Row]:
    """Measure, and print where the time goes."""
    rows = []
    evolution = _full_population()
    rng = np.random.default_rng(1)
    w = rng.random(CASES, dtype=np.float32)
    good, poor = _scores(CHILDREN, SOLVED + 0.1, rng), _scores(CHILDREN, SOLVED - 0.1, rng)

    def tell(rows: NDArray[np.bool_], stays: bool) -> None:
        for row in rows:
            children = evolution.ask(1)
            evolution.tell(children, np.roll(row, children.ids[0])[None])  # another child every time
            assert (children.ids[0] in evolution.population.ids) == stays

    for threads in (1, 2):
        with threadpool_limits(threads):
            seconds = rounds(
                ROUNDS,
                {
                    "pass": lambda: [evolution.population.scores @ w for _ in range(CHILDREN)],
                    "stays": lambda: tell(good, stays=True),
                    "leaves": lambda: tell(poor, stays=False),
                },
                clock=time.perf_counter,
            )
        beside = f"{threads} BLAS thread{'s' * (threads > 1)}"
        breakdown(
            f"{MEMBERS:,} x {CASES:,} scores, {beside}",
            {
                "one pass S @ w": seconds["pass"] / CHILDREN * 1e3,
                "ask + tell, the child stays": seconds["stays"] / CHILDREN * 1e3,
                "ask + tell, the child leaves": seconds["leaves"] / CHILDREN * 1e3,
            },
            "ms",
        )
        for fate in ("stays", "leaves"):
            target = 3 if fate == "stays" else None
            rows.append(
                Row(
                    NAME,
                    f"ask + tell / one pass, child {fate}, {beside}",
                    seconds[fate] / seconds["pass"],
                    at_most=target,
                )
            )
    return [*rows, Row(NAME, "peak memory / the matrix", _memory(), at_most=1.3)]


def _scores(n: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    return rng.random((n, CASES), dtype=np.float32) < share


def _full_population() -> evoniche.Evolution:
    evolution = evoniche.m2n2(genome=evoniche.RealGenome(2), population_size=MEMBERS, seed=0)
    rng = np.random.default_rng(0)
    while len(evolution.population) < MEMBERS:
        children = evolution.ask(10)
        evolution.tell(children, _scores(len(children), SOLVED, rng))
    return evolution


def _memory() -> float:
    """What a process takes at most beyond its imports, in matrices."""
    here = Path(__file__)
    done = subprocess.run([sys.executable, here, "memory"], capture_output=True, text=True, check=True, cwd=here.parent)
    return int(done.stdout) / MATRIX_BYTES


def _fill() -> int:
    before = _peak()
    evolution = _full_population()
    for row in _scores(3, SOLVED + 0.1, np.random.default_rng(1)):
        evolution.tell(evolution.ask(1), row[None])
    return _peak() - before


def _peak() -> int:
    # Linux. getrusage's ru_maxrss would do elsewhere, but here a child inherits the peak of the process it came from.
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])


if __name__ == "__main__":
    print(_fill() if sys.argv[1:] == ["memory"] else table(run()))
