"""Kill runs that have workers, and the workers, at random moments; some scorers hang as well.

    python tests/evolution/worker_kills.py 400

The runs are those of kills.py, with two workers. A run is ended by SIGKILL and begun again until it has finished, and
so are its workers while it lives; now and then a scorer never answers and is ended after `TIMEOUT` seconds. In the end:

- an ordered run must be what it is with threads and without a store, bit for bit;
- a run as completed must be what its store makes of a new evolution, bit for bit;
- each child must be told once, none given up, and its failed attempts must stand in the store, numbered from 1;
- no more may have been scored again than what was being scored when something was killed;
- no worker may live on.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from kills import CASES, TOTAL, end, go

from evoniche import Failures, Store

WORKERS, OPEN, TIMEOUT, PACE = 2, 4, 1.5, 0.002
POLICY = Failures(attempts=1000, timeout=TIMEOUT)


class Paid:
    """Writes down what is scored, in whatever process; one call in many never comes back."""

    def __init__(self, path: Path, hangs: float = 0.002) -> None:
        self.path, self.hangs = path, hangs

    def __call__(self, n: int) -> None:
        hangs = random.SystemRandom().random() < self.hangs
        with open(self.path, "ab", buffering=0) as file:
            file.write(b"h" if hangs else b"." * n)
        while hangs:
            time.sleep(1)


def workers_of(pid: int) -> list[int]:
    """The worker processes of a process."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [int(child) for child in children if b"popen_loky" in _read(child, "cmdline")]


def alive(pid: int) -> bool:
    return b"popen_loky" in _read(pid, "cmdline")  # a zombie has none


def _read(pid: object, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


class Trial:
    """Runs in a folder, and what was counted."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.dice = folder, random.Random(seed)
        self.done: Counter[str] = Counter()
        self.seen: set[int] = set()
        self.expected: dict[tuple[str, str], str] = {}

    def attempt(self, case: str, store: Store, how: dict[str, Any], paid: Path, wait: float) -> str | None:
        """Let a run go on for at most so many seconds, and kill workers meanwhile; its digest if it has finished."""
        out, into = os.pipe()
        process = os.fork()
        if not process:
            code = 1
            try:
                os.write(into, go(case, Paid(paid), store, PACE, failures=POLICY, workers=WORKERS, **how).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(into)
        until = time.monotonic() + wait
        while (left := until - time.monotonic()) > 0 and not os.waitid(
            os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT
        ):
            time.sleep(min(left, self.dice.expovariate(1.5)))
            there = workers_of(process)
            self.seen.update(there)
            if there and self.dice.random() < 0.5:
                os.kill(self.dice.choice(there), signal.SIGKILL)
                self.done["workers killed"] += 1
        return end(process, out, f"{case}, {how}")

    def run(self) -> None:
        """One run until it has finished, and what came of it."""
        dice, done = self.dice, self.done
        case, breed = dice.choice(list(CASES)), dice.choice(["here", "worker"])
        ordered = dice.choice([False, OPEN])
        path, paid = self.folder / f"{done['runs']}.db", self.folder / f"{done['runs']}.paid"
        store = Store(path, synchronous=dice.choice(["full", "normal"]))
        how = {"ordered": ordered, "breed": breed}
        before, horizon = done["runs killed"], 4.0
        workers = done["workers killed"]
        while (digest := self.attempt(case, store, how, paid, dice.uniform(0, horizon))) is None:
            done["runs killed"] += 1
            horizon *= 1.1  # so that every run ends some day
        done["runs"] += 1
        done["ordered"] += bool(ordered)
        done["different"] += digest != (self.plain(case, breed) if ordered else go(case, Paid(paid), store))
        done["books wrong"] += not self.in_order(store)
        marks = paid.read_bytes()
        again, hangs = marks.count(b".") - TOTAL, marks.count(b"h")
        step = CASES[case](lambda n: None).batch_size
        lost = (done["runs killed"] - before) * WORKERS + done["workers killed"] - workers + hangs
        done["hangs"] += hangs
        done["scored again"] += again
        done["scored too often"] += not 0 <= again <= lost * step
        time.sleep(1)  # workers look twice a second whether their parent lives
        done["workers that live on"] += sum(map(alive, self.seen))
        for file in self.folder.glob("*"):
            file.unlink()

    def plain(self, case: str, breed: str) -> str:
        """An ordered run with threads, which nobody has killed."""
        if (case, breed) not in self.expected:
            with ThreadPoolExecutor(3) as threads:
                how = {"executor": threads, "ordered": OPEN, "breed": breed}
                self.expected[case, breed] = go(case, lambda n: None, None, **how)
        return self.expected[case, breed]

    def in_order(self, store: Store) -> bool:
        """Whether each child was told once, and each failure is there."""
        lineage, failures = store.lineage(), store.failures()
        told = lineage["told"][lineage["told"] >= 0]
        attempts: dict[int, list[int]] = {}
        for child, attempt in zip(failures["id"].tolist(), failures["attempt"].tolist(), strict=True):
            attempts.setdefault(child, []).append(attempt)
        self.done["attempts failed"] += len(failures["id"])
        return (
            len(lineage["id"]) == len(told) == TOTAL
            and np.array_equal(lineage["id"], np.arange(TOTAL))
            and all(numbers == list(range(1, len(numbers) + 1)) for numbers in attempts.values())
        )


def kill(runs_killed: int, seed: int = 0) -> Counter[str]:
    """Go on until so many runs were killed."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), seed)
        while trial.done["runs killed"] < runs_killed:
            trial.run()
    return trial.done


WRONG = ("different", "books wrong", "scored too often", "workers that live on")

if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    counts = kill(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(", ".join(f"{name} {counts[name]}" for name in [*(set(counts) - set(WRONG)), *WRONG]))
    sys.exit(any(counts[name] for name in WRONG))
