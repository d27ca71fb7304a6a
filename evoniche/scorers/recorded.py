"""A record of scores, in memory or in a file."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoniche import _log
from evoniche._reading import parse_json
from evoniche.batches import Batch, take
from evoniche.function_operators import as_scorer
from evoniche.roles import Genome, Scorer
from evoniche.scores import read_scores

__all__ = ["RecordedScorer"]

_FORMAT = "evoniche-record-1"


@final
class RecordedScorer(Scorer):
    """Score no genome twice: neither in one run nor, with a file, in a later run.

    A run that was cut off can thus be continued. Started again with the same seed and settings, it asks for the same
    children, finds their scores on record, and scores only the others. Do not use it for a scorer that is random.

    >>> from evoniche import BinaryGenome
    >>> calls = []
    >>> scorer = RecordedScorer(lambda bits: calls.append(len(bits)) or bits, BinaryGenome(2))
    >>> scorer.score(np.array([[0, 1], [1, 1], [0, 1]])).tolist(), calls  # two of them differ
    ([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0]], [2])
    """

    def __init__(
        self,
        scorer: Scorer | Callable[[Batch], Any],
        genome: Genome,
        path: Path | None = None,
        *,
        about: str = "",
    ) -> None:
        """Open a record, or begin a new one.

        Args:
            scorer: The scorer of the genomes that are not on record.
            genome: The representation; two genomes are the same if its `pack` gives the same arrays.
            path: A file with one line of JSON for each genome; when None, the record is in memory only.
            about: A description of what is scored (cases, models); a file with another description is refused.

        Raises:
            ValueError: The file is not a record, or has another description.
        """
        self._scorer = as_scorer(scorer)
        self._genome = genome
        self._path = path
        self._rows: dict[str, NDArray[np.float64]] = {}
        if path is not None:
            self._open(path, {"format": _FORMAT, "about": about})

    def __len__(self) -> int:
        return len(self._rows)

    def score(self, genomes: Batch) -> NDArray[np.float64]:
        """Score the new genomes and look up the others; shape (n, cases), float64."""
        names = self._names(genomes)
        new = [i for i, name in enumerate(names) if name not in self._rows and names.index(name) == i]
        if new:
            scores = self._scorer.score(take(genomes, new))
            self._keep([names[i] for i in new], read_scores(scores, range(len(new)), self._like()))
        return np.stack([self._rows[name] for name in names])

    def remember(self, genomes: Batch, scores: ArrayLike) -> None:
        """Put scores (n, cases) from elsewhere on record."""
        self._keep(self._names(genomes), read_scores(scores, range(len(genomes)), self._like()))

    def _like(self) -> NDArray[np.float64] | None:
        """Return a row on record, whose length new rows must have; None if there is none."""
        return next((row[None] for row in self._rows.values()), None)

    def _names(self, genomes: Batch) -> list[str]:
        return [self._name(take(genomes, [i])) for i in range(len(genomes))]

    def _name(self, genome: Batch) -> str:
        digest = hashlib.sha256()
        for name, array in sorted(self._genome.pack(genome).items()):
            digest.update(f"{name} {array.dtype} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:32]

    def _keep(self, names: list[str], scores: NDArray[Any]) -> None:
        new = {name: row.astype(np.float64) for name, row in zip(names, scores, strict=True) if name not in self._rows}
        if self._path is not None and new:
            lines = [json.dumps({"genome": name, "scores": row.tolist()}) + "\n" for name, row in new.items()]
            with _alone(self._path) as file:
                half = file.seek(0, os.SEEK_END) and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n"
                file.write(("\n" * half + "".join(lines)).encode())  # another process may have been killed meanwhile
        self._rows.update(new)

    def _open(self, path: Path, header: dict[str, str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path) as file:
            content = file.read()
            if not content:
                file.write((json.dumps(header) + "\n").encode())
                return
            whole = content.rfind(b"\n") + 1
            first, *lines = content[:whole].splitlines() or [content]
            about = _read(first)
            if about.get("format") != _FORMAT:
                raise ValueError(f"{path} is no record of scores (its first line is {first[:40]!r}): give the name of "
                                 "a new file.")
            if about.get("about") != header["about"]:
                raise ValueError(f"{path} is the record of another run: there {about.get('about')}, here "
                                 f"{header['about']}.")
            if whole < len(content):  # half a line, which a killed process has left
                file.truncate(whole)
        rows = [_row(_read(line)) for line in lines]
        lengths = Counter(len(row[1]) for row in rows if row is not None)
        length = max(lengths, key=lambda length: lengths[length], default=0)  # all rows have as many cases
        self._rows = dict(row for row in rows if row is not None and len(row[1]) == length)
        if bad := len(rows) - lengths[length]:
            _log.warning("{}: {} lines of it are damaged; their genomes will be scored again.", path, bad)


@contextmanager
def _alone(path: Path) -> Iterator[BinaryIO]:
    """A file to read and to append to, which no other record of this file uses meanwhile; on the disk in the end."""
    with path.open("a+b") as file:
        with suppress(ImportError, OSError):  # where there are no such locks, lines are still written as a whole
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        yield file
        file.flush()
        os.fsync(file.fileno())


def _read(line: bytes) -> dict[str, Any]:
    """A line of the file; empty where it is damaged."""
    try:
        found = parse_json(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _row(entry: dict[str, Any]) -> tuple[str, NDArray[np.float64]] | None:
    """The name of a genome and its scores; None where they are damaged."""
    try:
        scores = np.array(entry["scores"], dtype=np.float64)
        good = isinstance(entry["genome"], str) and scores.ndim == 1 and len(scores) and np.isfinite(scores).all()
    except (KeyError, TypeError, ValueError, RecursionError):  # numpy's of arrays in arrays is one of them
        return None
    return (entry["genome"], scores) if good else None
