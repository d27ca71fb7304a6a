"""How often the intervals of a report hold the true value: `python tests/baselines/interval_coverage.py [SAMPLES]`.

Prints the table of docs/comparing.md: for made samples of a few kinds and sizes, the share of intervals at 95 % that
hold the value of the whole distribution. 1,000 samples take about two minutes on one core.
"""

import sys
import warnings

import numpy as np
from scipy import stats

from evoniche_baselines.compare import intervals

KINDS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: rng.lognormal(size=n),
    "counts, 0 to 20": lambda rng, n: rng.binomial(20, 0.5, size=n).astype(float),
    "mostly solved": lambda rng, n: np.where(rng.random(n) < 0.5, 1.0, rng.beta(5, 1, size=n)),
}
BUDGET = 1.5


def iqm_coverage(kind, n, method, samples):
    """The share of intervals of the interquartile mean that hold that of the distribution."""
    draw = KINDS[kind]
    true = stats.trim_mean(draw(np.random.default_rng(0), 2_000_000), 0.25)
    rng, held = np.random.default_rng(1), 0
    for seed in range(samples):
        low, high = intervals.iqm_interval(draw(rng, n), seed, method)
        held += low - 1e-9 <= true <= high + 1e-9
    return held / samples


def ert_coverage(n, samples):
    """The same of the expected running time, with exponential times cut off at a budget."""
    rng, held = np.random.default_rng(2), 0
    for seed in range(samples):
        times = rng.exponential(size=n)
        reached = times <= BUDGET
        if not reached.any():
            held += 1  # infinite, and said to be
            continue
        low, high = intervals.ert_interval(np.minimum(times, BUDGET), reached, seed)
        held += low <= 1.0 <= high  # of exponential times without memory, the restarts change nothing
    return held / samples


def wilson_coverage(rate, n):
    """The same of the success rate, computed from the binomial distribution."""
    ends = [intervals.wilson_interval(k, n) for k in range(n + 1)]
    return sum(stats.binom.pmf(k, n, rate) for k, (low, high) in enumerate(ends) if low <= rate <= high)


def main(samples):
    """Print the table."""
    warnings.simplefilter("ignore")
    intervals.FEWEST = 3
    sizes = (3, 5, 8, 10, 20, 30)
    print(f"| what | {' | '.join(f'n = {n}' for n in sizes)} |\n|{'---|' * (len(sizes) + 1)}")
    for kind in KINDS:
        for method in ("percentile", "BCa"):
            row = [iqm_coverage(kind, n, method, samples) for n in sizes]
            print(f"| IQM, {kind}, {method} | {' | '.join(f'{share:.2f}' for share in row)} |", flush=True)
    print(f"| ERT, exponential | {' | '.join(f'{ert_coverage(n, samples):.2f}' for n in sizes)} |", flush=True)
    for rate in (0.5, 0.9):
        print(f"| success rate {rate} | {' | '.join(f'{wilson_coverage(rate, n):.2f}' for n in sizes)} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
