"""All benchmarks, and one Markdown table: `python tests/benchmarks`."""

from __future__ import annotations

import time

import adapter_deap
import adapter_pymoo
import adapter_ribs
import digits_step
import distance_sharing
import large_population
import lexicase
import onemax
import recipes
from measure import table

start = time.perf_counter()
BENCHMARKS = (
    digits_step, distance_sharing, large_population, lexicase, onemax, recipes,
    adapter_pymoo, adapter_deap, adapter_ribs,
)  # fmt: skip
rows = [row for benchmark in BENCHMARKS for row in benchmark.run()]
print(f"\n{table(rows)}\n\nMedians over interleaved rounds, in {time.perf_counter() - start:.0f} s.")
