"""The members now alive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, final

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from evoniche import batches
from evoniche.batches import Batch, take
from evoniche.population.growing import GrowingBatch, GrowingPairs, Journal
from evoniche.population.offspring import NOBODY, Individual, Offspring
from evoniche.randomness import generator
from evoniche.scores import read_importance, read_scores

__all__ = ["NOBODY", "Individual", "Offspring", "Population"]

_NOTHING: Mapping[Any, Any] = {}

_SHARING = 2
"""Second part of the key of what is drawn by a sharing; see `offspring` for the others."""


class MakesFitness(Protocol):
    """What a population asks of a `Sharing`, which stands above it."""

    def fitness(self, population: Population, /) -> NDArray[np.floating]:
        """The fitness of every member, shape (members,)."""


@final
class Population:
    """The members now alive with their scores: the paper's archive.

    Load, fitness and the rest follow every change. The position of a member may change when another leaves; its id
    does not. Arrays handed out are views, valid until the next change.
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
            limit: How many members a `Replacement` leaves alive.
            sharing: What makes `fitness` of scores; the plain sum over the cases when None.
            importance: How much each case counts, shape (cases,); all the same when None.
            seed: That of the evolution, for a sharing that draws.
        """
        self.limit = limit
        self.sharing = sharing
        self.importance = importance
        self.seed = seed
        self.undo: _Undo | None = None
        """How to go back to where `begin` was called; None when no change is open."""
        self._state = _State()

    @classmethod
    def of(
        cls,
        scores: ArrayLike,
        genomes: Batch | None = None,
        sharing: MakesFitness | None = None,
        importance: ArrayLike | None = None,
    ) -> Population:
        """A population made of scores alone, for using an operator outside of an evolution.

        Args:
            scores: Shape (members, cases), finite and never negative.
            genomes: As many genomes; the positions 0, 1, ... when None.
            sharing: What makes fitness of scores.
            importance: How much each case counts, shape (cases,); all the same when None.

        Raises:
            ValueError: Scores that no `tell` would take, or another number of genomes or of importances.
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
        """How many children have joined so far, those that have left included."""
        return self._state.told

    @property
    def binary(self) -> bool:
        """Whether every score is 0 or 1, of the members and of those who were there before."""
        return self._state.totals.binary

    @property
    def scores(self) -> NDArray[np.floating]:
        """S, shape (members, cases)."""
        scores: NDArray[np.floating] = self._column(0, np.zeros((0, 0)))
        return scores

    @property
    def genomes(self) -> Batch:
        """A batch of the members' genomes."""
        return self._column(1, [])

    @property
    def ids(self) -> NDArray[np.int64]:
        """Shape (members,). A smaller id is an older member."""
        return self._lineage[:, 0]

    @property
    def parents(self) -> NDArray[np.int64]:
        """Shape (members, 2): ids of first parent and mate, -1 for none."""
        return self._lineage[:, 1:]

    @property
    def means(self) -> NDArray[np.float64]:
        """Each member's mean score over the cases, shape (members,): what a reader calls its score."""
        means: NDArray[np.float64] = self._column(3, np.zeros(0))
        return means

    def mean_scores(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """The mean over the cases of each row, weighted by their importance: shape (rows,)."""
        if self.importance is None:
            means: NDArray[np.float64] = scores.sum(axis=1, dtype=np.float64) / max(1, scores.shape[1])
        else:
            v = self.importance
            means = np.vecdot(scores, v) / np.vecdot(np.ones_like(v), v)  # exactly 1 for who solves every case
        return means

    @property
    def load(self) -> NDArray[np.float64]:
        """z, the sum of all members' scores on each case, shape (cases,)."""
        view = self._state.totals.load.view()
        view.flags.writeable = False
        return view

    @property
    def fitness(self) -> NDArray[np.floating]:
        """The members' fitness under the population's sharing, shape (members,)."""
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
        """The position of the member with the highest mean score; the older one on a tie.

        Raises:
            ValueError: The population is empty.
        """
        if not len(self):
            raise ValueError("an empty population has no best member: tell some scores first.")
        means = self.means
        tied = np.flatnonzero(means == means.max())
        return int(tied[np.argmin(self.ids[tied])])

    def member(self, position: int) -> Individual:
        """One member, with copies of its genome and scores."""
        return Individual(
            genome=next(batches.rows(take(self.genomes, [position]))),
            scores=self.scores[position].copy(),
            score=float(self.means[position]),
            id=int(self.ids[position]),
            parents=tuple(map(int, self.parents[position])),  # type: ignore[arg-type]
        )

    def generator(self) -> Generator:
        """Fresh randomness that belongs to what has been told so far, for a sharing that draws."""
        return generator(self.seed, self.told, _SHARING)

    def recall(self, operator: Any, default: Any = None) -> Any:
        """What an operator has asked this population to remember."""
        return self._state.memory.get(operator, default)

    def remember(self, operator: Any, value: Any) -> None:
        """Keep what an operator has learned of this population: operators have no memory of their own.

        Args:
            operator: Who remembers; any hashable key.
            value: What; it replaces what was remembered before, and must not be changed in place later.
        """
        self._state = self._state._replace(memory={**self._state.memory, operator: value})

    def pairwise(self, key: object, measure: Callable[[NDArray[np.intp]], NDArray[Any]]) -> NDArray[Any]:
        """A number for each two members, such as their distance, measured once and kept as long as both live.

        Args:
            key: What is measured: an object, told from others by its identity. Two of them are kept.
            measure: Gives the numbers between the members at some positions and all members, shape (positions,
                members). They must be symmetric: what is measured of newcomers holds for the others as well.

        Returns:
            Shape (members, members), a view that is valid until the next change.
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
        """Remember from now on how to go back to what the population is now.

        Returns:
            A token that stands for the change: `undo` is this object until `commit` or `roll_back`.

        Raises:
            RuntimeError: A change is open already.
        """
        if self.undo is not None:
            raise RuntimeError("a change of this population is open already: commit() or roll_back() it first.")
        self.undo = undo = _Undo(self._state, Journal(len(self)))
        return undo

    def roll_back(self) -> None:
        """Be again what the population was at `begin`; nothing happens when no change is open.

        When this is interrupted, at whatever line, calling it again completes it.
        """
        if self.undo is not None:
            self.undo.journal.replay()
            self._state = self.undo.state
            self.undo = None

    def commit(self) -> None:
        """Forget how to go back."""
        self.undo = None

    def snapshot(self) -> Population:
        """A population of the same members that does not follow the changes of this one.

        Both share their memory until one of them changes.
        """
        other = Population(self.limit, self.sharing, self.importance, self.seed)
        if self.undo is None:
            self._state = other._state = self._state._replace(own=False)
        else:  # a roll-back writes into rows that are shared
            other._state = self._state.copy()
        return other

    def add(self, offspring: Offspring) -> None:
        """Let scored children in; nobody leaves."""
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
        """Let members go: one position, several, or a mask.

        Raises:
            IndexError: A position that nobody has.
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
            # Who leaves at once leaves no trace, and nothing has to be computed again. But a fitness that depends on
            # what is remembered may have changed although the members have not.
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
        """Ids and parents, shape (members, 3)."""
        lineage: NDArray[np.int64] = self._column(2, np.zeros((0, 3), dtype=np.int64))
        return lineage

    def _column(self, index: int, empty: Any) -> Any:
        return self._state.columns[index].batch if self._state.columns else empty

    def _writable(self) -> _State:
        """The state in buffers that no snapshot shares."""
        return self._state if self._state.own else self._state.copy()


class _Totals(NamedTuple):
    """What is known of the members together. Never changed: each change of the members makes another one."""

    members: int = 0
    load: NDArray[np.float64] = np.zeros(0)
    peak: NDArray[np.float64] | float = 0.0
    """The largest load since its last fresh sum, shape (cases,): rounding errors are relative to this."""
    binary: bool = True
    changes: int = 0
    """How many have left since the load was last summed afresh."""
    fitness: NDArray[np.floating] | None = None
    """None until somebody asks."""

    def without(self, taken: NDArray[np.floating], scores: NDArray[np.floating]) -> _Totals:
        """What follows when the rows `taken` leave, and `scores` stay.

        The load is what they leave of it. It is summed afresh once in a while, which costs little and keeps rounding
        errors from piling up, and where it has become so small beside what was subtracted that errors would show.
        """
        members, changes = len(scores), self.changes + len(taken)
        if changes >= members:
            return _Totals(members, scores.sum(axis=0, dtype=np.float64), 0.0, self.binary)
        load = self.load - taken.sum(axis=0, dtype=np.float64)
        if self.binary:  # whole numbers, without errors
            return _Totals(members, load, 0.0, True, changes)
        peak = np.maximum(self.peak, self.load)
        lost = np.flatnonzero(load < 1e-6 * peak)
        if len(lost):
            load[lost] = peak[lost] = scores[:, lost].sum(axis=0, dtype=np.float64)
        return _Totals(members, load, peak, False, changes)


class _State(NamedTuple):
    """All that a population is, in one object, so that it changes in one assignment.

    Only the columns' buffers are written in place, and a journal knows how they were.
    """

    columns: tuple[GrowingBatch, ...] = ()
    """Scores, genomes, lineage and means."""
    totals: _Totals = _Totals()
    before: _Totals | None = None
    """What the totals were before the last children joined; only `add` says so, any other change leaves it out."""
    told: int = 0
    memory: Mapping[Any, Any] = _NOTHING
    pairs: tuple[tuple[object, GrowingPairs], ...] = ()
    """What is kept for `pairwise`: keys and matrices."""
    own: bool = True
    """Whether nobody else has these buffers."""

    def copy(self) -> _State:
        columns = tuple(batch.copy() for batch in self.columns)
        return self._replace(columns=columns, pairs=tuple((key, pairs.copy()) for key, pairs in self.pairs), own=True)


class _Undo(NamedTuple):
    state: _State
    journal: Journal
