"""The population: the members now alive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, final

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from evoniche import batches
from evoniche.batches import Batch, take
from evoniche.functional.loads import RunningLoad
from evoniche.population.growing import GrowingBatch, GrowingPairs, Journal
from evoniche.population.offspring import NOBODY, Individual, Offspring
from evoniche.randomness import generator
from evoniche.scores import read_importance, read_scores

__all__ = ["NOBODY", "Individual", "Offspring", "Population"]

_NO_SCORES = np.zeros((0, 0))
_NO_LINEAGE = np.zeros((0, 3), dtype=np.int64)
_NOTHING: Mapping[Any, Any] = {}

_SHARING = 2
"""Second part of the key of what is drawn by a sharing; see `offspring` for the others."""


class MakesFitness(Protocol):
    """The part of a `Sharing` that a population uses; roles are defined above this package."""

    def fitness(self, population: Population, /) -> NDArray[np.floating]:
        """Return the fitness of every member, shape (members,)."""


@final
class Population:
    """The members now alive and their scores; the paper calls it the archive.

    Load, fitness and all other quantities follow every change. The position of a member may change when another member
    leaves, but its id stays the same. The arrays that a population gives are read-only views that are valid until its
    next change.

    >>> population = Population.of([[1, 0, 0], [1, 1, 0]])
    >>> population.load
    array([2., 1., 0.])
    >>> population.remove(0)
    >>> population.ids, population.load
    (array([1]), array([1., 1., 0.]))
    """

    def __init__(
        self,
        limit: int,
        sharing: MakesFitness | None = None,
        importance: NDArray[np.float64] | None = None,
        seed: int = 0,
    ) -> None:
        """An empty population.

        Args:
            limit: The number of members that a `Replacement` leaves alive at most.
            sharing: The `Sharing` that computes fitness from scores. When None, fitness is the sum over the cases.
            importance: The weights of the cases, shape (cases,). When None, all cases count the same.
            seed: The seed of the evolution, for a sharing that draws random numbers.
        """
        self.limit = limit
        self.sharing = sharing
        self.importance = importance
        self.seed = seed
        self.undo: _Undo | None = None
        """What is needed to go back to where `begin` was called; None when no change is open."""
        self._state = _State()

    @classmethod
    def of(
        cls,
        scores: ArrayLike,
        genomes: Batch | None = None,
        sharing: MakesFitness | None = None,
        importance: ArrayLike | None = None,
    ) -> Population:
        """Make a population from scores, for using an operator outside of an evolution.

        Args:
            scores: Shape (members, cases), finite and never negative.
            genomes: A batch of one genome for each member. When None, the genomes are the positions 0, 1, ...
            sharing: The `Sharing` that computes fitness from scores. When None, fitness is the sum over the cases.
            importance: The weights of the cases, shape (cases,). When None, all cases count the same.

        Returns:
            A population with the ids 0, 1, ..., without parents, which is full: its limit is the number of members.

        Raises:
            ValueError: The scores are not as `tell` wants them, or the number of genomes is not that of the members, or
                the number of importances is not that of the cases.
        """
        n = len(np.asarray(scores))
        checked = read_scores(scores, range(n))
        if genomes is not None and len(genomes) != n:
            raise ValueError(f"genomes must be as many as rows of scores, {n}, got {len(genomes)}.")
        cases = checked.shape[1]
        importance = read_importance(importance)
        if importance is not None and len(importance) != cases:
            raise ValueError(f"importance must have one number for each of the {cases} cases, got {len(importance)}.")
        population = cls(n, sharing, importance)
        population.add(
            Offspring(
                genomes=np.arange(n) if genomes is None else genomes,
                ids=np.arange(n),
                parents=np.full((n, 2), NOBODY),
                ask=0,
                seed=0,
                scores=checked,
            )
        )
        return population

    def __len__(self) -> int:
        return self._state.totals.members

    def __repr__(self) -> str:
        return f"Population({len(self)} of {self.limit} members, {len(self.load)} cases)"

    @property
    def told(self) -> int:
        """The number of children that have joined so far, including those that have left."""
        return self._state.told

    @property
    def binary(self) -> bool:
        """Whether all scores are 0 or 1, those of former members included.

        A child that leaves as soon as it has joined is not counted.
        """
        return self._state.totals.binary

    @property
    def scores(self) -> NDArray[np.floating]:
        """The scores S of the members, shape (members, cases)."""
        scores: NDArray[np.floating] = self._column(0, _NO_SCORES)
        return scores

    @property
    def genomes(self) -> Batch:
        """The genomes of the members: a batch of the kind that was told."""
        return self._column(1, [])

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids of the members, shape (members,). A smaller id belongs to an older member."""
        return self._lineage[:, 0]

    @property
    def parents(self) -> NDArray[np.int64]:
        """The ids of first parent and mate, shape (members, 2); -1 stands for none."""
        return self._lineage[:, 1:]

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean score of each member over the cases, weighted by their importance, shape (members,)."""
        means: NDArray[np.float64] = self._column(3, np.zeros(0))
        return means

    def mean_scores(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the mean of each row over the cases, weighted by their importance, shape (rows,)."""
        if self.importance is None:
            means: NDArray[np.float64] = scores.sum(axis=1, dtype=np.float64) / max(1, scores.shape[1])
        else:
            v = self.importance
            means = np.vecdot(scores, v) / np.vecdot(np.ones_like(v), v)  # exactly 1 for a row of ones
        return means

    @property
    def load(self) -> NDArray[np.float64]:
        """The load z: the sum of all members' scores on each case, shape (cases,)."""
        view = self._state.totals.load.view()
        view.flags.writeable = False
        return view

    @property
    def fitness(self) -> NDArray[np.floating]:
        """The fitness of the members under the sharing, shape (members,); it is computed when it is first asked for."""
        fitness = self._state.totals.fitness
        if fitness is None:
            if self.sharing is None:
                fitness = self.means * self.scores.shape[1]
            else:
                fitness = self.sharing.fitness(self)
            fitness.flags.writeable = False
            state = self._state  # the sharing may have remembered something
            self._state = state._replace(totals=state.totals._replace(fitness=fitness))
        return fitness

    @property
    def priced(self) -> bool:
        """Whether the fitness of the members was asked for since they last changed."""
        return self._state.totals.fitness is not None

    @property
    def best_member(self) -> int:
        """The position of the member with the highest mean score; on a tie, of the oldest.

        Raises:
            ValueError: The population is empty.
        """
        if not len(self):
            raise ValueError("an empty population has no best member: tell some scores first.")
        means = self.means
        tied = np.flatnonzero(means == means.max())
        return int(tied[np.argmin(self.ids[tied])])

    def member(self, position: int) -> Individual:
        """Return one member, with copies of its genome and scores."""
        return Individual(
            genome=next(batches.rows(take(self.genomes, [position]))),
            scores=self.scores[position].copy(),
            score=float(self.means[position]),
            id=int(self.ids[position]),
            parents=tuple(map(int, self.parents[position])),  # type: ignore[arg-type]
        )

    def generator(self) -> Generator:
        """Return a generator that follows from the seed and the number told so far, for a sharing that draws."""
        return generator(self.seed, self.told, _SHARING)

    def recall(self, operator: Any, default: Any = None) -> Any:
        """Return what an operator has asked this population to remember, or the default if there is nothing."""
        return self._state.memory.get(operator, default)

    def remember(self, operator: Any, value: Any) -> None:
        """Keep a value for an operator, since operators have no memory of their own.

        Args:
            operator: The operator that will ask for the value, or any other hashable key.
            value: The value. It replaces the one that was remembered before, and must not be changed in place later.
        """
        self._state = self._state._replace(memory={**self._state.memory, operator: value})

    def pairwise(self, key: object, measure: Callable[[NDArray[np.intp]], NDArray[Any]]) -> NDArray[Any]:
        """Return a number for each pair of members, such as their distance, that is measured once and then kept.

        Args:
            key: The object that stands for the quantity; it is compared by identity. The population keeps the numbers
                of the two keys that were measured last.
            measure: A function of positions, shape (n,), that returns the numbers between the members there and all
                members, shape (n, members). The numbers must be symmetric, since only the rows of newcomers are asked
                for.

        Returns:
            The numbers, shape (members, members): a read-only view that is valid until the next change.

        >>> population = Population.of([[1, 0, 0], [1, 1, 0], [1, 1, 1]])
        >>> population.pairwise("shared", lambda positions: population.scores[positions] @ population.scores.T)
        array([[1., 1., 1.],
               [1., 2., 2.],
               [1., 2., 3.]])
        """
        pairs = self._pairs(key)
        if len(new := pairs.unknown):
            rows = measure(new)
            state = self._writable()
            pairs = self._pairs(key).write(new, rows, self._journal)
            others = [entry for entry in state.pairs if entry[0] is not key]
            self._state = state._replace(pairs=(*others[-1:], (key, pairs)))
        return pairs.matrix

    def begin(self) -> object:
        """Open a change, which ends with `commit` or `roll_back`.

        Returns:
            A token of the change: `undo` is this object until the change ends.

        Raises:
            RuntimeError: A change is open already.

        >>> population = Population.of([[1, 0], [0, 1]])
        >>> token = population.begin()
        >>> population.remove(0)
        >>> population.roll_back()
        >>> population.ids
        array([0, 1])
        """
        if self.undo is not None:
            raise RuntimeError("a change of this population is open already: commit() or roll_back() it first.")
        self.undo = undo = _Undo(self._state, Journal(len(self)))
        return undo

    def roll_back(self) -> None:
        """Restore the population as it was at `begin`; without an open change, nothing happens.

        If this is interrupted at any line, another call completes it.
        """
        if self.undo is not None:
            self.undo.journal.replay()
            self._state = self.undo.state
            self.undo = None

    def commit(self) -> None:
        """Make the open change final; without one, nothing happens."""
        self.undo = None

    def snapshot(self) -> Population:
        """Return a population of the same members that does not follow the changes of this one.

        The two share their arrays until one of them changes; if a change is open, the arrays are copied at once.
        """
        other = Population(self.limit, self.sharing, self.importance, self.seed)
        if self.undo is None:
            self._state = other._state = self._state._replace(own=False)
        else:  # a roll-back writes into rows that are shared
            other._state = self._state.copy()
        return other

    def add(self, offspring: Offspring) -> None:
        """Let children with scores join; nobody leaves.

        Args:
            offspring: The children. The kind of their genomes and the number of cases must be those of the members.
        """
        scores = offspring.scores
        assert scores is not None, "offspring join with their scores"
        state = self._writable()
        before = state.totals if state.columns else _Totals(load=np.zeros(scores.shape[1]))
        lineage = np.concatenate([offspring.ids[:, None], offspring.parents], axis=1)  # (n, 3)
        columns = (scores, offspring.genomes, lineage, self.mean_scores(scores))
        if state.columns:
            journal = self._journal
            grown = tuple(batch.add(rows, journal) for batch, rows in zip(state.columns, columns, strict=True))
        else:
            # One place more than the limit: a child joins before somebody leaves.
            grown = tuple(GrowingBatch.of(rows, self.limit + 1) for rows in columns)
        more = scores[0] if len(scores) == 1 else scores.sum(axis=0, dtype=np.float64)
        totals = _Totals(
            members=before.members + len(scores),
            load=before.load + more,
            peak=before.peak,
            binary=before.binary and bool(((scores == 0) | (scores == 1)).all()),
            changes=before.changes,
        )
        pairs = tuple((key, matrix.add(len(scores))) for key, matrix in state.pairs)
        self._state = _State(grown, totals, before, state.told + len(scores), state.memory, pairs)

    def remove(self, positions: ArrayLike) -> None:
        """Let members leave.

        Args:
            positions: One position, several, or a mask of shape (members,).

        Raises:
            IndexError: There is no member at a position, or the mask has another length.
        """
        leaving = sorted(set(batches.positions(positions, len(self)).tolist()))
        if not leaving:
            return
        state = self._writable()
        left = len(self) - len(leaving)
        gone = set(leaving)
        places = [position for position in leaving if position < left]
        movers = [position for position in range(left, len(self)) if position not in gone] if places else []
        taken = self.scores[leaving]
        journal = self._journal
        columns = tuple(batch.shorten(left, places, movers, journal) for batch in state.columns)
        if state.before is not None and leaving[0] == left == state.before.members:
            # Children that leave at once leave no trace, and nothing has to be computed again. But a fitness that
            # depends on what is remembered may have changed although the members have not.
            totals = state.before._replace(fitness=None) if state.memory else state.before
        else:
            totals = state.totals.without(taken, columns[0].batch)
        pairs = tuple((key, matrix.shorten(left, places, movers, journal)) for key, matrix in state.pairs)
        self._state = _State(columns, totals, None, state.told, state.memory, pairs)

    def _pairs(self, key: object) -> GrowingPairs:
        return next((pairs for known, pairs in self._state.pairs if known is key), GrowingPairs.of(len(self)))

    @property
    def _journal(self) -> Journal | None:
        return None if self.undo is None else self.undo.journal

    @property
    def _lineage(self) -> NDArray[np.int64]:
        """The ids and the parents, shape (members, 3)."""
        lineage: NDArray[np.int64] = self._column(2, _NO_LINEAGE)
        return lineage

    def _column(self, index: int, empty: Any) -> Any:
        return self._state.columns[index].batch if self._state.columns else empty

    def _writable(self) -> _State:
        """Return the state in buffers that no snapshot shares."""
        return self._state if self._state.own else self._state.copy()


class _Totals(NamedTuple):
    """The quantities that concern all members together; each change of the members makes another object."""

    members: int = 0
    load: NDArray[np.float64] = np.zeros(0)
    peak: NDArray[np.float64] | float = 0.0
    """As in `RunningLoad`."""
    binary: bool = True
    changes: int = 0
    """As in `RunningLoad`."""
    fitness: NDArray[np.floating] | None = None
    """None until it is asked for."""

    def without(self, taken: NDArray[np.floating], scores: NDArray[np.floating]) -> _Totals:
        """Return the totals after the rows `taken` have left and the rows `scores` have stayed."""
        load = RunningLoad(self.load, self.peak, self.changes)
        load = load.without(taken, len(scores), lambda: scores, binary=self.binary)
        return _Totals(len(scores), load.load, load.peak, self.binary, load.changes)


class _State(NamedTuple):
    """The whole state of a population in one object, so that it changes in one assignment.

    Only buffers are written in place, and while a change is open its journal saves the rows that are overwritten.
    """

    columns: tuple[GrowingBatch, ...] = ()
    """The scores, genomes, lineage (ids and parents) and means."""
    totals: _Totals = _Totals()
    before: _Totals | None = None
    """The totals before the last children joined; only `add` sets this, and any removal makes it None."""
    told: int = 0
    memory: Mapping[Any, Any] = _NOTHING
    pairs: tuple[tuple[object, GrowingPairs], ...] = ()
    """The keys and matrices of `pairwise`."""
    own: bool = True
    """Whether no snapshot shares the buffers."""

    def copy(self) -> _State:
        columns = tuple(batch.copy() for batch in self.columns)
        return self._replace(columns=columns, pairs=tuple((key, pairs.copy()) for key, pairs in self.pairs), own=True)


class _Undo(NamedTuple):
    state: _State
    journal: Journal
