"""The members now alive."""

from __future__ import annotations

import copy
from typing import Any, Protocol, final

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from evoniche import batches
from evoniche.batches import Batch, take
from evoniche.population.growing import GrowingBatch
from evoniche.population.offspring import NOBODY, Individual, Offspring
from evoniche.randomness import generator
from evoniche.scores import read_importance, read_scores

__all__ = ["NOBODY", "Individual", "Offspring", "Population"]

_NEVER = (-1, True, None, None, None)

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
        self.told = 0
        self.binary = True
        self.undo: object = None
        self._kept: dict[str, Any] = {}
        self._memory: dict[Any, Any] = {}
        self._columns: tuple[GrowingBatch, ...] = ()  # scores, genomes, lineage
        self._before: tuple[int, bool, Any, Any, Any] = _NEVER  # what was before the last addition
        self._load = np.zeros(0)
        self._changes = 0
        self._means: NDArray[np.float64] | None = None
        self._fitness: NDArray[np.floating] | None = None

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
        return len(self._columns[0]) if self._columns else 0

    def __repr__(self) -> str:
        return f"Population({len(self)} of {self.limit} members, {len(self._load)} cases)"

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
        if self._means is None:
            self._means = self.mean_scores(self.scores)
            self._means.flags.writeable = False
        return self._means

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
        view = self._load.view()
        view.flags.writeable = False
        return view

    @property
    def fitness(self) -> NDArray[np.floating]:
        """The members' fitness under the population's sharing, shape (members,)."""
        if self._fitness is None:
            if self.sharing is None:
                self._fitness = self.means * len(self._load)
            else:
                self._fitness = self.sharing.fitness(self)
            self._fitness.flags.writeable = False
        return self._fitness

    @property
    def best(self) -> int:
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
        return self._memory.get(operator, default)

    def remember(self, operator: Any, value: Any) -> None:
        """Keep what an operator has learned of this population: operators have no memory of their own.

        Args:
            operator: Who remembers; any hashable key.
            value: What; it replaces what was remembered before.
        """
        self._memory[operator] = value
        self._before = (*self._before[:4], None)

    def begin(self) -> object:
        """Remember how to go back from now on; returns what stands for this change."""
        self._kept = {name: copy.copy(value) for name, value in vars(self).items() if name not in ("undo", "_kept")}
        self._kept["_columns"] = tuple(GrowingBatch(column.batch, self.limit + 1) for column in self._columns)
        self.undo = object()
        return self.undo

    def roll_back(self) -> None:
        """Be what it was at `begin`."""
        if self.undo is not None:
            vars(self).update(self._kept)
            self.undo = None

    def commit(self) -> None:
        """Forget how to go back."""
        self.undo = None

    def snapshot(self) -> Population:
        """A population of the same members, which does not change with this one."""
        other = copy.copy(self)
        other._memory = dict(self._memory)
        other._columns = tuple(GrowingBatch(column.batch, self.limit + 1) for column in self._columns)
        return other

    def add(self, offspring: Offspring) -> None:
        """Let scored children in; nobody leaves."""
        scores = offspring.scores
        assert scores is not None, "offspring join with their scores"
        self.told += len(scores)
        lineage = np.concatenate([offspring.ids[:, None], offspring.parents], axis=1)  # (n, 3)
        columns = (scores, offspring.genomes, lineage)
        if self._columns:
            # A fitness that depends on what is remembered may change although the members do not.
            fitness = None if self._memory else self._fitness
            self._before = (len(self), self.binary, self._load, self._means, fitness)
            for batch, column in zip(self._columns, columns, strict=True):
                batch.add(column)
        else:
            # One place more than the limit: a child joins before somebody leaves.
            self._columns = tuple(GrowingBatch(column, self.limit + 1) for column in columns)
            self._load = np.zeros(scores.shape[1])
        self.binary = self.binary and bool(((scores == 0) | (scores == 1)).all())
        self._load = self._load + (scores[0] if len(scores) == 1 else scores.sum(axis=0, dtype=np.float64))
        self._means = self._fitness = None

    def remove(self, positions: ArrayLike) -> None:
        """Let members go: one position, several, or a mask.

        Raises:
            IndexError: A position that nobody has.
        """
        leaving = sorted(set(batches.positions(positions, len(self)).tolist()))
        if not leaving:
            return
        left = len(self) - len(leaving)
        newcomers = leaving[0] == left == self._before[0]
        # The sum of those who leave, from which the load follows; a new sum once in a while costs little, and keeps
        # rounding errors from piling up.
        self._changes += 0 if newcomers else len(leaving)
        afresh = self._changes >= left
        taken = None if newcomers or afresh else self.scores[leaving].sum(axis=0, dtype=np.float64)
        gone = set(leaving)
        places = [position for position in leaving if position < left]
        movers = [position for position in range(left, len(self)) if position not in gone]
        for batch in self._columns:
            batch.shorten(left, places, movers)
        if newcomers:
            # Who leaves at once leaves no trace, and nothing has to be computed again.
            _, self.binary, self._load, self._means, self._fitness = self._before
            return
        self._load = self._load_without(taken)
        self._means = self._fitness = None
        self._before = _NEVER

    def _load_without(self, taken: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """The load after somebody has left with so much; a new sum when it is None."""
        load: NDArray[np.float64]
        if taken is None:
            self._changes = 0
            load = self.scores.sum(axis=0, dtype=np.float64)
        else:
            load = self._load - taken
            if not self.binary:  # where nearly all has left, what remains is rounding errors
                lost = np.flatnonzero(load < 1e-6 * self._load)
                load[lost] = self.scores[:, lost].sum(axis=0, dtype=np.float64)
        return load

    @property
    def _lineage(self) -> NDArray[np.int64]:
        """Ids and parents, shape (members, 3)."""
        lineage: NDArray[np.int64] = self._column(2, np.zeros((0, 3), dtype=np.int64))
        return lineage

    def _column(self, index: int, empty: Any) -> Any:
        return self._columns[index].batch if self._columns else empty

