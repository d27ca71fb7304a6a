"""Kill runs at random moments, go on with them, and compare what they come to with runs that nobody has killed.

    python tests/evolution/kills.py 1000

A run is a process of its own, ended by SIGKILL after a random time, again and again until it has finished. Then
everything that can be seen of it must be what it is without a store and without a kill, bit for bit, and no more may
have been scored than one step for each kill. `tests/evolution/test_kills.py` does a few; docs/reliability.md has more.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import evoniche
from evoniche import BinaryGenome, Evolution, ObjectGenome, RealGenome, Store, UniformCrossover
from evoniche.evolution.storage.identity import digest_of

TOTAL = 300


def _bits(paid: Callable[[int], None], **parts: Any) -> Evolution:
    def score(bits: Any) -> Any:
        paid(len(bits))
        return bits.astype(float)

    how = {"crossover": UniformCrossover(), "mutation": evoniche.BitFlipMutation(), "seed": 0, **parts}
    return Evolution(BinaryGenome(24), score, **how)


def binary(paid: Callable[[int], None]) -> Evolution:
    return _bits(paid)


def batches(paid: Callable[[int], None]) -> Evolution:
    return _bits(paid, batch_size=7, seed=1, replacement=evoniche.GenerationalReplacement())


def draws(paid: Callable[[int], None]) -> Evolution:
    return _bits(paid, sharing=evoniche.AntigenSharing(sample_size=5), seed=2)


def remembers(paid: Callable[[int], None]) -> Evolution:
    return _bits(paid, sharing=evoniche.AdaptiveSharing(interval=11), selector=evoniche.LexicaseSelector(), seed=3)


def crowds(paid: Callable[[int], None]) -> Evolution:
    replacement = evoniche.RestrictedTournamentReplacement(distance=BinaryGenome(24), window=5)
    return _bits(paid, replacement=replacement, seed=4)


def slerps(paid: Callable[[int], None]) -> Evolution:
    targets = np.random.default_rng(0).normal(size=(30, 12))

    def score(genomes: Any) -> Any:
        paid(len(genomes))
        return 1 / (1 + np.abs(np.vecdot(genomes[:, None], targets)))  # `@` rounds a row by what is beside it

    return Evolution(RealGenome(12), score, seed=5, batch_size=3, importance=np.arange(1.0, 31.0))


def repairs(paid: Callable[[int], None]) -> Evolution:
    def score(bits: Any) -> Any:
        bits[:, 0] = 1  # in place: what is told is not what was asked
        paid(len(bits))
        return bits.astype(float)

    return Evolution(BinaryGenome(24), score, crossover=UniformCrossover(), mutation=evoniche.BitFlipMutation(), seed=6)


def objects(paid: Callable[[int], None]) -> Evolution:
    """Genomes that cannot be stored, so they are bred again."""

    def score(words: Any) -> Any:
        paid(len(words))
        return np.array([[word.count(letter) for letter in "abcdefgh"] for word in words], dtype=float)

    def cross(a: str, b: str, rng: Any) -> str:
        return "".join(pair[rng.integers(2)] for pair in zip(a, b, strict=True))

    def mutate(word: str, rng: Any) -> str:
        place = int(rng.integers(len(word)))
        return word[:place] + "abcdefgh"[rng.integers(8)] + word[place + 1 :]

    words = ObjectGenome(lambda rng: "".join("abcdefgh"[rng.integers(8)] for _ in range(16)))
    return Evolution(words, score, crossover=cross, mutation=mutate, seed=7)


CASES = {case.__name__: case for case in (binary, batches, draws, remembers, crowds, slerps, repairs, objects)}


def go(case: str, paid: Callable[[int], None], store: Store | None, after: float = 0.0, **how: Any) -> str:
    """Run to the end, as `how` says; what follows from all that can be seen, and from what would come next."""
    evolution = CASES[case](paid)
    metrics = {"fittest": lambda evolution: float(evolution.population.fitness.max())}
    callbacks = [lambda evolution: time.sleep(after)]
    result = evolution.run(total=TOTAL, metrics=metrics, callbacks=callbacks, store=store, progress=False, **how)
    assert evolution.pending is None
    population, best = evolution.population, evolution.best
    assert best is not None
    arrays = {f"history {name}": column for name, column in result.history.items() if name != "seconds"}
    arrays |= {"scores": population.scores, "ids": population.ids, "parents": population.parents}
    arrays |= {"load": population.load, "best": best.scores, "best id": np.array([best.id, *best.parents])}
    arrays |= {"fitness": population.fitness, "told": np.array([population.told, evolution.evaluations])}
    arrays |= {"genomes": np.asarray(population.genomes), "best genome": np.asarray(best.genome)}
    following = evolution.ask(3)
    arrays |= {"next": np.asarray(following.genomes), "next ids": following.ids, "next parents": following.parents}
    return digest_of(arrays)


def attempt(case: str, store: Store, wait: float, paid: Path, pace: float) -> str | None:
    """Let a process run for at most so many seconds; its digest, or None when it was killed."""
    out, into = os.pipe()
    process = os.fork()
    if not process:
        code = 1
        try:
            file = os.open(paid, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(into, go(case, lambda n: os.write(file, b"." * n), store, pace).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(into)
    time.sleep(wait) if wait else None
    return end(process, out, case)


def end(process: int, out: int, name: str) -> str | None:
    """Kill a process that writes its digest into a pipe; the digest, or None when it had not come to that."""
    os.kill(process, signal.SIGKILL)
    digest = b""
    while part := os.read(out, 64):
        digest += part
    os.close(out)
    _, status = os.waitpid(process, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"{name}: a resumed run has failed.")
    return digest.decode() if len(digest) == 32 else None


def kill(kills: int, seed: int = 0, pace: float = 0.002) -> dict[str, int]:
    """Kill processes until there were so many kills; what came of it."""
    dice = random.Random(seed)
    expected = {case: go(case, lambda n: None, None) for case in CASES}
    done = {"kills": 0, "runs": 0, "different": 0, "scored again": 0, "scored too often": 0}
    with tempfile.TemporaryDirectory() as folder:
        while done["kills"] < kills:
            case = dice.choice(list(CASES))
            path, paid = Path(folder) / f"{done['runs']}.db", Path(folder) / f"{done['runs']}.paid"
            store = Store(path, synchronous=dice.choice(["full", "normal"]))
            before = done["kills"]
            horizon = 0.4
            while (digest := attempt(case, store, dice.uniform(0, horizon), paid, pace)) is None:
                done["kills"] += 1
                horizon *= 1.05  # so that every run ends some day
            again = paid.stat().st_size - TOTAL
            step = CASES[case](lambda n: None).batch_size
            done["runs"] += 1
            done["different"] += digest != expected[case]
            done["scored again"] += again
            done["scored too often"] += again > (done["kills"] - before) * step
            for file in Path(folder).glob("*"):
                file.unlink()
    return done


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    done = kill(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(", ".join(f"{name} {number}" for name, number in done.items()))
    print("sha256 of this file:", hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12])
    sys.exit(bool(done["different"] or done["scored too often"]))
