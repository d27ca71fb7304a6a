"""Brings a new evolution to where a stored run was cut off.

Everything is done again as it was done: the same asks, the same tells, in the same order, with the recorded scores in
the place of the scorer's and the recorded genomes in the place of what crossover and mutation would make. So the
population, what operators remember of it and the order of its members are what they were, to the last bit, whatever
the operators do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche import _log
from evoniche.batches import Batch, conform
from evoniche.evolution.storage.database import Database, RunRow
from evoniche.evolution.storage.errors import StoreError
from evoniche.evolution.workers.breeding import Variation, ask_unbred, unbred
from evoniche.population import Offspring
from evoniche.roles import Crossover, Mutation

__all__ = ["replay"]

Arrays = Mapping[str, NDArray[Any]]


def replay(evolution: Any, database: Database, run: RunRow) -> None:
    """Do what the events of a run say.

    Args:
        evolution: A new one, of the same parts.
        database: Where the run is.
        run: The run.

    Raises:
        StoreError: An event is damaged, or comes out otherwise than it did.
    """
    bred = False
    for event, genomes in database.events(run):
        try:
            data = event.data()
            if data["priced"] and len(evolution.population):
                _ = evolution.population.fitness  # somebody had asked for it, and a sharing may learn when asked
            _STEPS[event.kind](evolution, data, genomes)
        except StoreError as error:
            raise StoreError(f"{database.path}: event {event.number} of the run {run.name!r}: {error}") from error
        except Exception as error:
            raise database.damaged(run, event.number, f"{type(error).__name__}: {error}") from error
        bred = bred or (event.kind == "ask" and genomes is None and int(data["parents"].max(initial=-1)) >= 0)
        evolution._history.seconds = event.seconds
    if bred:
        _log.info("{}: genomes that are not stored were bred again from the seed and the scores", database.path)


def _ask(evolution: Any, data: Arrays, genomes: Arrays | None) -> None:
    parents, parts = data["parents"], evolution.parts
    if parents.ndim != 2 or parents.shape[1] != 2 or parents.dtype != np.int64:
        raise ValueError("its parents are not two columns of ids")
    if genomes is not None:
        evolution.parts = _with_given(parts, _unpack(evolution, genomes, len(parents)))
    try:
        children = ask_unbred(evolution, len(parents)) if "unbred" in data else evolution.ask(len(parents))
    finally:
        evolution.parts = parts
    if not np.array_equal(children.parents, parents):
        raise StoreError(
            "other parents are chosen now than when it was written. A part or a library has changed in a way that its "
            "arguments do not show: go back to what it was, or begin a new run under another name."
        )


def _tell(evolution: Any, data: Arrays, genomes: Arrays | None) -> None:
    books = evolution._books
    children, ids = books.look(lambda: books.find(data["ids"], books.ledger))
    children = attrs.evolve(children, ask=int(data["ask"]))
    evolution.tell(_as_told(evolution, children, genomes), data["scores"])
    evolution._history.underway.forget(ids)
    if "scored" in data:  # a store of an earlier version does not count
        evolution._history.scored = int(data["scored"]) + data["scores"].size - int(data["spared"])


def _as_told(evolution: Any, children: Offspring, genomes: Arrays | None) -> Offspring:
    """Children with the genomes that were told: those that are stored, or that are bred again."""
    if genomes is not None:
        return attrs.evolve(children, genomes=_unpack(evolution, genomes, len(children)))
    pairs = unbred(evolution, children)
    return children if pairs is None else attrs.evolve(children, genomes=pairs.breed(Variation.of(evolution)))


def _give_up(evolution: Any, data: Arrays, _: Arrays | None) -> None:
    evolution.give_up(data["ids"], count=bool(data["counted"]))
    evolution._history.underway.forget(data["ids"].tolist())


def _failure(evolution: Any, data: Arrays, _: Arrays | None) -> None:
    evolution._history.underway.attempts[int(data["ids"][0])] = int(data["attempt"])


def _arrival(evolution: Any, data: Arrays, genomes: Arrays | None) -> None:
    books = evolution._books
    child, ids = books.look(lambda: books.find(data["ids"], books.ledger))
    child = attrs.evolve(_as_told(evolution, child, genomes), ask=int(data["ask"]), scores=data["scores"])
    evolution._history.underway.arrived[ids[0]] = child


def _record(evolution: Any, data: Arrays, _: Arrays | None) -> None:
    evolution._history.record({name[1:]: float(value) for name, value in data.items() if name.startswith("_")})


_STEPS = {
    "ask": _ask, "tell": _tell, "give up": _give_up, "record": _record, "failure": _failure, "arrival": _arrival,
}  # fmt: skip


def _unpack(evolution: Any, arrays: Arrays, n: int) -> Batch:
    genome = evolution.parts.genome
    try:
        batch = arrays["genomes"] if genome is None else genome.unpack(arrays)
    except Exception as error:  # the file is as it was written: its digest was compared
        raise StoreError(
            f"{type(genome).__name__} cannot make its genomes again from what it stored "
            f"({type(error).__name__}: {error}): unpack must be the inverse of pack, and decode of encode."
        ) from error
    return conform(batch, n, evolution._initial, "the genomes stored")


def _with_given(parts: Any, genomes: Batch) -> Any:
    """The same parts, but that the children are known before they are made."""
    if parts.crossover is None:
        return attrs.evolve(parts, genome=None, mutation=_Given(genomes))
    return attrs.evolve(parts, genome=None, crossover=_Given(genomes), mutation=None)


@final
@attrs.frozen
class _Given(Crossover[Any], Mutation[Any]):
    """Makes children that were made before."""

    genomes: Batch

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:  # noqa: ARG002
        return self.genomes

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:  # noqa: ARG002
        return self.genomes
