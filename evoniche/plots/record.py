"""Reads from a store what the pictures of a run show, in one pass, and keeps the scores of those alive alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche.evolution.storage import Store
from evoniche.evolution.storage.tables import _check

__all__ = ["RunRecord"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_SOLVED = 0.5
"""From which score on a case counts as solved, as in `functional.coverage`."""


@final
@attrs.frozen(eq=False)
class RunRecord:
    """What the pictures of a run show. Children are numbered as in the run, from 0."""

    name: str
    about: Mapping[str, Any]
    history: Mapping[str, Floats]
    parents: Ints
    """First parent and mate of each child, shape (children, 2); -1 for none."""
    means: Floats
    """The mean score of each child; NaN if none was told."""
    told: Ints
    """Evaluations at which each child was told; -1 if it was not."""
    left: Ints
    """Evaluations at which each child left; -1 if it has not."""
    ids: Ints
    """The children that are alive, shape (members,)."""
    scores: Floats
    """Their scores, shape (members, cases)."""
    niches: Ints
    """Evaluations, and the number of distinct sets of solved cases among the members then, shape (tells, 2)."""
    failures: list[tuple[int, int, str]]
    """Child, attempt and summary of each attempt to score one that has failed."""
    recipes: Mapping[int, tuple[Ints, Floats]]
    """Child -> boundaries and coefficients, of those children whose genome is a recipe that the store has."""
    seconds: float

    @classmethod
    def of(cls, store: Store) -> RunRecord:
        """Read a run.

        Raises:
            StoreError: The file cannot be read, is damaged, or does not hold the run.
        """
        about, reader = store.about(), _Reader()
        with store._open() as database:
            run = database.find(store.name)
            assert run is not None  # else about() had raised
            for event, genomes in database.events(run):
                try:
                    data = event.data()
                    _check(event.kind, data)
                    reader.take(event.kind, data, genomes)
                except (ValueError, KeyError, IndexError) as error:
                    raise database.damaged(run, event.number, error) from error
                reader.seconds = event.seconds
        return reader.record(store.name, about)

    @property
    def best(self) -> int | None:
        """The child with the best mean score ever told; None if none was."""
        return None if np.isnan(self.means).all() else int(np.nanargmax(self.means))

    def alive(self, time: int) -> NDArray[np.bool_]:
        """Who was alive when so many evaluations were told, shape (children,)."""
        return (self.told >= 0) & (self.told <= time) & ((self.left < 0) | (self.left > time))


class _Reader:
    """What is known after some events."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._time = 0
        self._parents: list[Ints] = [np.zeros((0, 2), dtype=np.int64)]
        self._asked = 0
        self._told: dict[int, tuple[int, float]] = {}
        self._left: dict[int, int] = {}
        self._alive: dict[int, tuple[NDArray[Any], bytes]] = {}
        self._solved: Counter[bytes] = Counter()
        self._niches: list[tuple[int, int]] = []
        self._rows: list[dict[str, float]] = []
        self._failures: list[tuple[int, int, str]] = []
        self._recipes: dict[int, tuple[Ints, Floats]] = {}

    def take(self, kind: str, data: Mapping[str, NDArray[Any]], genomes: Mapping[str, NDArray[Any]] | None) -> None:
        if kind == "ask":
            self._ask(data["parents"], genomes)
        elif kind == "tell":
            self._tell(data)
        elif kind == "give up":
            self._time += len(data["ids"]) * bool(data["counted"])
            self._left.update((child, self._time) for child in data["ids"].tolist())
        elif kind == "record":
            self._rows.append({name[1:]: float(value) for name, value in data.items() if name.startswith("_")})
        elif kind == "failure":
            self._failures.append((int(data["ids"][0]), int(data["attempt"]), str(data["summary"])))

    def _ask(self, parents: Ints, genomes: Mapping[str, NDArray[Any]] | None) -> None:
        if genomes is not None and {"segments", "boundaries", "coefficients"} <= genomes.keys():
            ends = np.cumsum(genomes["segments"])[:-1]
            tables = np.split(genomes["coefficients"], ends)
            bounds = np.split(genomes["boundaries"], ends + np.arange(1, len(ends) + 1))
            self._recipes.update(zip(range(self._asked, self._asked + len(parents)),
                                     zip(bounds, tables, strict=True), strict=False))  # fmt: skip
        self._parents.append(parents)
        self._asked += len(parents)

    def _tell(self, data: Mapping[str, NDArray[Any]]) -> None:
        ids = data["ids"].tolist()
        self._time += len(ids)
        for child, mean, row in zip(ids, data["means"].tolist(), data["scores"], strict=True):
            key = np.packbits(row >= _SOLVED).tobytes()
            self._told[child] = (self._time, mean)
            self._alive[child] = (row, key)
            self._solved[key] += 1
        for child in data["left"].tolist():
            self._left[child] = self._time
            if child in self._alive:
                key = self._alive.pop(child)[1]
                self._solved[key] -= 1
                if not self._solved[key]:
                    del self._solved[key]
        self._niches.append((self._time, len(self._solved)))

    def record(self, name: str, about: Mapping[str, Any]) -> RunRecord:
        names = dict.fromkeys(column for row in self._rows for column in row)
        told, means = np.full(self._asked, -1), np.full(self._asked, np.nan)
        for child, (time, mean) in self._told.items():
            told[child], means[child] = time, mean
        left = np.full(self._asked, -1)
        for child, time in self._left.items():
            left[child] = time
        ids = sorted(self._alive)
        return RunRecord(
            name=name, about=about, seconds=self.seconds, failures=self._failures, recipes=self._recipes,
            history={column: np.array([row.get(column, np.nan) for row in self._rows]) for column in names},
            parents=np.concatenate(self._parents), means=means, told=told, left=left,
            ids=np.array(ids, dtype=np.int64), niches=np.array(self._niches, dtype=np.int64).reshape(-1, 2),
            scores=np.stack([self._alive[child][0] for child in ids]).astype(float) if ids else np.zeros((0, 0)),
        )  # fmt: skip
