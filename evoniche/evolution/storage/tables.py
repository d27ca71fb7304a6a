"""A stored run as tables, read without its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoniche.evolution.storage.database import Database, Event, RunRow

__all__ = ["TABLES", "failures", "flat", "history", "lineage", "members", "phylogeny", "scores", "summary"]

Arrays = dict[str, NDArray[Any]]


def history(database: Database, run: RunRow) -> Arrays:
    """The columns of a run's history."""
    rows = [data for event, data in _events(database, run) if event.kind == "record"]
    names = dict.fromkeys(name for row in rows for name in row if name.startswith("_"))
    return {name[1:]: np.array([float(row.get(name, np.nan)) for row in rows]) for name in names}


def lineage(database: Database, run: RunRow) -> Arrays:
    """All children of a run, and what has become of them; see `Store.lineage`."""
    parents: list[NDArray[np.int64]] = [np.zeros((0, 2), dtype=np.int64)]
    asks: list[int] = []
    asked: list[int] = []
    told: dict[int, tuple[int, float]] = {}
    left: dict[int, int] = {}
    work: dict[int, tuple[int, str, float]] = {}
    time = 0
    for event, data in _events(database, run):
        if event.kind == "ask":
            parents.append(data["parents"])
            asks += [len(parents) - 2] * len(data["parents"])
            asked += [time] * len(data["parents"])
        elif event.kind == "tell":
            time += len(data["ids"])
            told.update((child, (time, mean)) for child, mean in zip(data["ids"].tolist(), data["means"], strict=True))
            left.update((child, time) for child in data["left"].tolist())
            if "took" in data:  # it was scored by workers, or might have failed
                rows = zip(data["attempts"].tolist(), data["worker"].tolist(), data["took"].tolist(), strict=True)
                work.update(zip(data["ids"].tolist(), rows, strict=True))
        elif event.kind == "give up":
            time += len(data["ids"]) * bool(data["counted"])
            left.update((child, time) for child in data["ids"].tolist())
    both = np.concatenate(parents)
    ids = range(len(both))
    return {
        "id": np.arange(len(both)),
        "first_parent": both[:, 0],
        "mate": both[:, 1],
        "ask": np.array(asks, dtype=np.int64),
        "score": np.array([told[child][1] if child in told else np.nan for child in ids], dtype=np.float64),
        "asked": np.array(asked, dtype=np.int64),
        "told": np.array([told[child][0] if child in told else -1 for child in ids], dtype=np.int64),
        "left": np.array([left.get(child, -1) for child in ids], dtype=np.int64),
        "attempts": np.array([work[child][0] if child in work else 1 for child in ids], dtype=np.int64),
        "worker": np.array([work[child][1] if child in work else "" for child in ids], dtype=np.str_),
        "seconds": np.array([work[child][2] if child in work else np.nan for child in ids], dtype=np.float64),
    }


def failures(database: Database, run: RunRow) -> Arrays:
    """Attempts that have failed; see `Store.failures`."""
    rows = [data for event, data in _events(database, run) if event.kind == "failure"]
    texts = ("summary", "worker", "traceback")
    return {
        "id": np.array([data["ids"][0] for data in rows], dtype=np.int64),
        "attempt": np.array([data["attempt"] for data in rows], dtype=np.int64),
        "seconds": np.array([data["took"] for data in rows], dtype=np.float64),
        **{name: np.array([str(data[name]) for data in rows], dtype=np.str_) for name in texts},
    }


def members(database: Database, run: RunRow) -> Arrays:
    """The members alive; see `Store.members`."""
    rows: dict[int, NDArray[Any]] = {}
    for event, data in _events(database, run):
        if event.kind == "tell":
            rows.update(zip(data["ids"].tolist(), data["scores"], strict=True))
            for child in data["left"].tolist():
                rows.pop(child, None)
    all_children = lineage(database, run)
    ids = np.array(sorted(rows), dtype=np.int64)
    columns = {name: all_children[name][ids] for name in ("id", "first_parent", "mate", "score")}
    scores = np.stack([rows[child] for child in ids.tolist()]) if rows else np.zeros((0, 0))
    return {**columns, "scores": scores}


def scores(database: Database, run: RunRow) -> Arrays:
    """The scores of all children that were told, whether they are still alive or not."""
    told = [data for event, data in _events(database, run) if event.kind == "tell"]
    if not told:
        return {"id": np.zeros(0, dtype=np.int64), "scores": np.zeros((0, 0))}
    ids = np.concatenate([data["ids"] for data in told])
    order = np.argsort(ids)
    return {"id": ids[order], "scores": np.concatenate([data["scores"] for data in told])[order]}


def summary(database: Database, run: RunRow) -> dict[str, Any]:
    """A run in a line."""
    asked = told = 0
    best, seconds = -np.inf, 0.0
    for event, data in _events(database, run):
        seconds = event.seconds
        if event.kind == "ask":
            asked += len(data["parents"])
        elif event.kind == "tell":
            told += len(data["ids"])
            best = max(best, float(data["means"].max()))
    return {
        "name": run.name, "started": run.started, "asked": asked, "told": told,
        "best": best if told else np.nan, "seconds": seconds,
    }


def phylogeny(database: Database, run: RunRow, mates: bool = True) -> Arrays:
    """The lineage in the columns of the ALife data standard for phylogenies, with time in evaluations.

    Args:
        database: Where the run is.
        run: The run.
        mates: Whether both parents are ancestors, or the first one alone.
    """
    table = lineage(database, run)
    second = table["mate"] if mates else table["first_parent"]
    pairs = zip(table["first_parent"].tolist(), second.tolist(), strict=True)
    ancestors = [sorted({parent for parent in pair if parent >= 0}) for pair in pairs]
    return {
        "id": table["id"],
        "ancestor_list": np.array([f"[{','.join(map(str, known)) or 'none'}]" for known in ancestors], dtype=np.str_),
        "origin_time": table["asked"],
        "destruction_time": np.where(table["left"] < 0, np.inf, table["left"]),
        "score": table["score"],
    }


TABLES: dict[str, Callable[[Database, RunRow], Arrays]] = {
    "history": history,
    "members": members,
    "scores": scores,
    "lineage": lineage,
    "failures": failures,
    "phylogeny": phylogeny,
    "matriline": partial(phylogeny, mates=False),
}
"""All tables by name; a matriline is the tree of first parents, for programs that know one parent alone."""


def flat(table: Arrays) -> Arrays:
    """Columns of one dimension alone: scores become "case_0", "case_1", ..."""
    columns: Arrays = {}
    for name, column in table.items():
        if column.ndim == 1:
            columns[name] = column
        else:
            columns.update((f"case_{case}", column[:, case]) for case in range(column.shape[1]))
    return columns


def _events(database: Database, run: RunRow) -> Iterator[tuple[Event, Arrays]]:
    """The events with what they hold, refused as damaged where it is not what it should be."""
    for event, _ in database.events(run):
        try:
            data = event.data()
            _check(event.kind, data)
        except (ValueError, KeyError) as error:
            raise database.damaged(run, event.number, error) from error
        yield event, data


_SHAPES = {
    "ask": {"parents": (2, "i")},
    "tell": {"ids": (1, "i"), "means": (1, "f"), "left": (1, "i"), "scores": (2, "f")},
    "give up": {"ids": (1, "i"), "counted": (0, "b")},
    "failure": {
        "ids": (1, "i"), "attempt": (0, "i"), "took": (0, "f"), "summary": (0, "U"), "worker": (0, "U"),
        "traceback": (0, "U"),
    },
}


def _check(kind: str, data: Arrays) -> None:
    for name, (ndim, letter) in _SHAPES.get(kind, {}).items():
        array = data[name]
        if array.ndim != ndim or array.dtype.kind != letter or (name == "parents" and array.shape[1] != 2):
            raise ValueError(f"{name} is of {array.dtype} and shape {array.shape}")
    if kind == "tell" and not len(data["ids"]) == len(data["means"]) == len(data["scores"]) > 0:
        raise ValueError("scores are not one row for each child")
    if kind == "failure" and len(data["ids"]) != 1:
        raise ValueError("a failure is not of one child")
    if kind == "record" and any(array.ndim for array in data.values()):
        raise ValueError("a row of the history is not of numbers")
