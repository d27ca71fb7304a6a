"""pyribs: an archive whose members compete for cases, and an emitter that mates them. It needs the extra `ribs`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, final

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, DTypeLike, NDArray

import evoniche as ev
from evoniche._validators import check_roles, whole_number
from evoniche.batches import Batch, conform, take
from evoniche.function_operators import as_crossover, as_mutation
from evoniche.population import NOBODY, Offspring, Population
from evoniche.roles import Crossover, MateSelector, Mutation, Replacement, Selector, Sharing
from evoniche.scores import read_scores

try:
    from ribs.archives import ArchiveBase, ArchiveStats, ArrayStore
    from ribs.emitters import EmitterBase
except ImportError as error:
    raise ImportError("evoniche.adapters.ribs needs pyribs: pip install 'evoniche[ribs]'.") from error

__all__ = ["MatingEmitter", "NicheArchive"]

Columns = dict[str, NDArray[Any]]

_UNKNOWN = -2  # a parent that nobody has told; NOBODY is for those who have none


@final
class NicheArchive(ArchiveBase):
    """An archive with a number of places, for which solutions compete by their scores on cases.

    With the defaults, a solution joins, fitness is shared anew among all, and the member with the lowest leaves
    (Abrantes 2025, section 3.1). Scores come as the extra field "scores". Elites are sampled in proportion to fitness.
    `best_elite` has the highest objective of all that came, a member or not; `cells` is the number of places.

    >>> archive = NicheArchive(solution_dim=2, members=2, extra_fields={"scores": ((3,), np.float64)})
    >>> info = archive.add(np.eye(2), None, None, scores=[[1, 1, 0], [1, 0, 0]])
    >>> info = archive.add([[5, 5]], None, None, scores=[[0, 0, 1]])  # alone on its case
    >>> archive.data("solution")
    array([[1., 0.],
           [5., 5.]])
    """

    def __init__(
        self,
        *,
        solution_dim: int | tuple[int, ...],
        members: int,
        extra_fields: Mapping[str, tuple[int | tuple[int, ...], DTypeLike]],
        measure_dim: int = 0,
        ranges: Collection[tuple[float, float]] | None = None,
        sharing: Sharing | None = None,
        replacement: Replacement | None = None,
        qd_score_offset: float = 0.0,
        seed: Any = None,
        solution_dtype: DTypeLike = np.float64,
    ) -> None:
        """An empty archive.

        Args:
            solution_dim: As in every archive; () with `solution_dtype=object` for solutions of any kind.
            members: How many places there are, >= 2.
            extra_fields: name -> (shape, dtype), among them "scores": ((cases,), np.float64 or np.float32). A
                replacement that looks at parents finds them in "parents": ((2,), np.int64), see `MatingEmitter`.
            measure_dim: How many measures. They take no part in the competition, so there may be none.
            ranges: Low and high of each measure, for rankers that draw a direction among measures.
            sharing: How scores become fitness; `ImplicitSharing()` when None.
            replacement: Who survives; `WorstReplacement()` when None.
            qd_score_offset: What the QD score subtracts from each objective.
            seed: Anything that `numpy.random.default_rng` takes.
            solution_dtype: Of solutions.

        Raises:
            ValueError: No scores among the extra fields, or fewer than 2 places.
            TypeError: A part that does not play its role.
        """
        super().__init__(solution_dim=solution_dim, objective_dim=(), measure_dim=measure_dim)
        if not isinstance(extra_fields, Mapping) or "scores" not in extra_fields:
            raise ValueError('NicheArchive(extra_fields=...) must have "scores": ((cases,), np.float64): solutions '
                             f"compete for cases; got {extra_fields!r}.")
        own = {"solution": (solution_dim, solution_dtype), "objective": ((), float), "measures": (measure_dim, float)}
        described: Any = {**own, **extra_fields}
        self.cells = whole_number("members", members, 2)
        self._store: Any = ArrayStore(described, self.cells)
        shape, kind = dict[str, Any](self._store.field_desc).get("scores", ((), None))
        if len(shape) != 1 or kind not in (np.float32, np.float64):
            raise ValueError('NicheArchive(extra_fields=...) must have {"scores": ((cases,), np.float64)}, or float32: '
                             f'solutions compete for cases; got {extra_fields["scores"]}.')
        self.sharing: Sharing = ev.ImplicitSharing() if sharing is None else sharing
        self.replacement: Replacement = ev.WorstReplacement() if replacement is None else replacement
        check_roles(sharing=(self.sharing, Sharing), replacement=(self.replacement, Replacement))
        if ranges is not None:
            self.lower_bounds, self.upper_bounds = np.transpose(list(ranges))
        self._offset = qd_score_offset
        self._rng = np.random.default_rng(seed)
        self._seed = int(self._rng.integers(2**63))
        self._adds = self._given = 0
        self.clear()

    def clear(self) -> None:
        """Let all members go."""
        self._store.clear()
        self.best_elite: dict[str, Any] | None = None
        self.population = Population(self.cells, self.sharing, seed=self._seed)
        # Nobody joins, but from now on the population knows the shapes of its genomes and scores.
        solutions, scores = self._store.data(["solution", "scores"], "tuple")
        nobody = np.zeros((0, 3), dtype=np.int64)
        self.population.add(Offspring(_genomes(solutions), nobody[:, 0], nobody[:, 1:], 0, self._seed, scores))

    @property
    def field_list(self) -> list[str]:
        """Names of the fields."""
        return list(self._store.field_list_with_index)

    @property
    def dtypes(self) -> dict[str, Any]:
        """Field name -> dtype."""
        return dict(self._store.dtypes_with_index)

    @property
    def empty(self) -> bool:
        """Whether there are no members."""
        return not len(self)

    @property
    def stats(self) -> ArchiveStats:
        """Of the members; coverage is the share of places taken, and `obj_max` is the objective of `best_elite`."""
        n, total = len(self), float(self._store.data("objective").sum(dtype=np.float64))
        score = total - n * self._offset
        best = None if self.best_elite is None else self.best_elite["objective"]
        return ArchiveStats(n, n / self.cells, score, score / self.cells, best, total / n if n else None)

    def __len__(self) -> int:
        return len(self._store)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._store)

    def add(self, solution: Any, objective: ArrayLike | None, measures: ArrayLike | None, **fields: Any) -> Columns:
        """Let solutions compete for the places.

        Args:
            solution: Shape (n, *solution_dim).
            objective: Shape (n,); the mean scores when None.
            measures: Shape (n, measure_dim); may be None when there are none.
            **fields: The extra fields. Scores have shape (n, cases), are finite and never negative.

        Returns:
            "status": 2 for those who stay where there was room before, 1 for those who took a place, else 0. "value":
            their fitness among the members and the whole batch, before anybody leaves. Shapes (n,).

        Raises:
            ValueError: A field is missing, unknown or of another shape, or scores are refused. Nothing has changed.
        """
        if not (n := len(solution)):
            return {"status": np.zeros(0, dtype=np.int32), "value": np.zeros(0)}
        batch = self._read(solution, objective, measures, fields)
        population, before = self.population, self.population.ids.copy()
        genomes, scores = _genomes(batch["solution"]), batch["scores"]
        ids = np.arange(self._given, self._given + n)
        parents = batch.get("parents", np.full((n, 2), _UNKNOWN if len(before) else NOBODY))
        children = Offspring(genomes, ids, parents, self._adds, self._seed, scores)
        value = self._trial(children).fitness[len(before) :]  # what does not fit the cases fails here
        self.replacement.replace(population, children)
        self._adds, self._given = self._adds + 1, self._given + n
        best = int(batch["objective"].argmax())
        if self.best_elite is None or batch["objective"][best] > self.best_elite["objective"]:
            self.best_elite = {name: column[[best]][0] for name, column in batch.items()}
        if (stays := np.isin(ids, population.ids)).any() or len(population) < len(before):
            self._follow(np.concatenate([before, ids]), batch)
        status = np.where(stays, 2 if len(before) < self.cells else 1, 0)
        return {"status": status.astype(np.int32), "value": value.copy()}

    def add_single(self, solution: Any, objective: Any, measures: Any, **fields: Any) -> dict[str, Any]:
        """Let one solution compete; see `add`."""
        fields = {"objective": objective, "measures": measures, **fields}
        info = self.add([solution], **{name: None if value is None else [value] for name, value in fields.items()})
        return {name: values[0] for name, values in info.items()}

    def data(self, fields: Any = None, return_type: Any = None) -> Any:
        """Copies of the members' fields, in the order of `population`; see `ribs.archives.ArchiveBase`."""
        return self._store.data(fields, return_type)

    def sample_elites(self, n: Any, replace: bool = True) -> Columns:
        """Draw members in proportion to fitness; without replacement, one after the other among those left."""
        if self.empty:
            raise IndexError("no elites to sample: the archive is empty.")
        if not replace and n > len(self):
            raise ValueError(f"sample_elites(n=..., replace=False) must be at most {len(self)}, the members, got {n}.")
        if replace:
            chosen = ev.RouletteSelector().select(self.population, n, rng=self._rng)
        else:  # The first of exponential clocks with such rates; those without fitness come last, in any order.
            clocks = self._rng.exponential(size=len(self))
            with np.errstate(divide="ignore", over="ignore"):
                chosen = np.lexsort((clocks, clocks / self.population.fitness))[:n]
        return dict(self._store.retrieve(chosen)[1])

    def retrieve(self, measures: ArrayLike) -> Any:
        """Not here: members hold their places by scores, and no point among the measures belongs to one."""
        raise NotImplementedError("NicheArchive has no cells to look into; data('measures') tells who is where.")

    retrieve_single = retrieve

    def _read(self, solution: Any, objective: Any, measures: Any, fields: dict[str, Any]) -> Columns:
        """A batch as the store has it: field name -> array of shape (n, *shape)."""
        n, described = len(solution), self._store.field_desc
        extra = described.keys() - {"solution", "objective", "measures"}
        if fields.keys() != extra:
            raise ValueError(f"NicheArchive.add needs {sorted(extra)} beside objective and measures, got "
                             f"{sorted(fields)}: with a scheduler, tell(objective, measures, scores=...).")
        (cases,), dtype = described["scores"]
        scores = read_scores(fields["scores"], range(n), np.empty((0, cases), dtype))
        objective = self.population.mean_scores(scores) if objective is None else objective
        measures = np.empty((n, 0)) if measures is None and not self.measure_dim else measures
        given = {**fields, "solution": solution, "objective": objective, "measures": measures, "scores": scores}
        return {name: _column(name, given[name], (n, *shape), dtype) for name, (shape, dtype) in described.items()}

    def _trial(self, children: Offspring) -> Population:
        """A population of members and children together."""
        trial = Population(len(self) + len(children), self.sharing, seed=self._seed)
        now = self.population
        trial.add(Offspring(now.genomes, now.ids, now.parents, 0, self._seed, now.scores))
        trial.add(children)
        return trial

    def _follow(self, ids: NDArray[np.int64], batch: Columns) -> None:
        """Let the store follow the population: ids are those of the rows in the store and then in the batch."""
        order = ids.argsort()
        rows = order[np.searchsorted(ids, self.population.ids, sorter=order)]
        both = {name: np.concatenate([self._store.data(name), column])[rows] for name, column in batch.items()}
        self._store.clear()
        self._store.add(np.arange(len(rows)), both)


@final
class MatingEmitter(EmitterBase):
    """An emitter that breeds from the archive with any crossover and mutation of evoniche, or functions.

    The archive is a `NicheArchive`, or any other whose `extra_fields` have the scores.

    >>> from ribs.schedulers import Scheduler
    >>> from evoniche import UniformCrossover
    >>> archive = NicheArchive(solution_dim=8, members=9, extra_fields={"scores": (8, float)}, solution_dtype=int)
    >>> emitter = MatingEmitter(archive, crossover=UniformCrossover(), initial_solutions=np.eye(8), seed=0)
    >>> scheduler = Scheduler(archive, [emitter])
    >>> for _ in range(20):
    ...     bits = scheduler.ask()
    ...     scheduler.tell(bits.sum(axis=1), np.empty((len(bits), 0)), scores=bits)  # a bit is a case
    >>> archive.best_elite["solution"]
    array([1, 1, 1, 1, 1, 1, 1, 1])
    """

    def __init__(
        self,
        archive: ArchiveBase,
        *,
        crossover: Crossover | Callable[[Any, Any, Generator], Any],
        mutation: Mutation | Callable[[Any, Generator], Any] | None = None,
        selector: Selector | None = None,
        mates: MateSelector | None = None,
        sharing: Sharing | None = None,
        initial_solutions: Any,
        batch_size: int = 64,
        seed: Any = None,
        **bounds: Any,
    ) -> None:
        """Join the parts.

        Args:
            archive: Where parents come from.
            crossover: A `Crossover`, or a function `f(a, b, rng)` on two solutions.
            mutation: A `Mutation`, or a function `f(solution, rng)` on one; None for none.
            selector: Who breeds; `RouletteSelector()` when None.
            mates: With whom; `AttractionMateSelector()` when None.
            sharing: How scores become fitness; that of a `NicheArchive`, else `ImplicitSharing()`, when None.
            initial_solutions: What `ask` gives as long as the archive is empty, shape (n, *solution_dim).
            batch_size: Children of one ask.
            seed: Anything that `numpy.random.default_rng` takes.
            **bounds: `bounds`, or `lower_bounds` and `upper_bounds`, as in every emitter: solutions are clipped.

        Raises:
            ValueError: An archive without scores, initial solutions of another shape, or bounds that do not fit.
            TypeError: A part that does not play its role.
        """
        if "scores" not in archive.field_list:
            raise ValueError("MatingEmitter(archive=...) must have the per-case scores of its solutions: give the "
                             'archive extra_fields={"scores": ((cases,), np.float64)}.')
        dim: Any = archive.solution_dim
        self._dtype = np.dtype(archive.dtypes["solution"])
        self._bounded = any(bound is not None for bound in bounds.values())
        if not self._bounded and self._dtype.kind in "iub":  # pyribs would make numbers of infinite bounds
            bounds = {"lower_bounds": np.zeros(dim, self._dtype), "upper_bounds": np.ones(dim, self._dtype)}
        none = dict.fromkeys(("bounds", "lower_bounds", "upper_bounds"))
        super().__init__(archive, solution_dim=dim, **{**none, **bounds})
        self.crossover = as_crossover(crossover)
        self.mutation = None if mutation is None else as_mutation(mutation)
        self.selector = ev.RouletteSelector() if selector is None else selector
        self.mates = ev.AttractionMateSelector() if mates is None else mates
        self.sharing = sharing
        check_roles(selector=(self.selector, Selector), mates=(self.mates, MateSelector))
        check_roles(sharing=(sharing, Sharing, None))
        self.batch_size = whole_number("batch_size", batch_size, 1)
        self.initial_solutions = self._solutions(initial_solutions)
        self.parents = np.full((len(self.initial_solutions), 2), NOBODY)
        self._rng = np.random.default_rng(seed)

    def ask(self) -> NDArray[Any]:
        """Children, shape (batch_size, *solution_dim); the initial solutions as long as the archive is empty.

        Afterwards `parents` has the ids of first parent and mate in the population, shape (n, 2), -1 for none.
        """
        if self.archive.empty:
            self.parents = np.full((len(self.initial_solutions), 2), NOBODY)
            return self.initial_solutions.copy()
        population, n = self._population(), self.batch_size
        first = self.selector.select(population, n, rng=self._rng)
        mates = self.mates.mates(population, first, rng=self._rng)
        a, b = take(population.genomes, first), take(population.genomes, mates)
        children = self.crossover.cross(a, b, rng=self._rng)
        if self.mutation is not None:
            children = self.mutation.mutate(children, rng=self._rng)
        self.parents = np.stack([population.ids[first], population.ids[mates]], axis=1)
        return self._solutions(conform(children, n, population.genomes, "what crossover and mutation make"))

    def _population(self) -> Population:
        if isinstance(self.archive, NicheArchive) and self.sharing is None:
            return self.archive.population
        archive: Any = self.archive
        scores, solutions = archive.data(["scores", "solution"], "tuple")
        return Population.of(scores, _genomes(solutions), self.sharing or ev.ImplicitSharing())

    def _solutions(self, genomes: Any) -> NDArray[Any]:
        """As an array, within the bounds."""
        dim: Any = self.solution_dim if isinstance(self.solution_dim, tuple) else (self.solution_dim,)
        solutions = _column("solutions", genomes, (len(genomes), *dim), self._dtype)
        return np.clip(solutions, self.lower_bounds, self.upper_bounds) if self._bounded else solutions


def _genomes(solutions: NDArray[Any]) -> Batch:
    """Solutions as a batch: objects are a list, so that functions get them as they are."""
    return list(solutions) if solutions.dtype.kind == "O" and solutions.ndim == 1 else solutions


def _column(name: str, values: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of one's own, checked. Objects that are sequences stay what they are."""
    if dtype.kind == "O" and len(shape) == 1:
        column = np.empty(len(values), dtype=object)
        for i, value in enumerate(values):
            column[i] = value
    else:
        column = np.array(values, dtype=dtype)
    if column.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {column.shape}.")
    if column.dtype.kind == "f" and name in ("objective", "measures") and not np.isfinite(column).all():
        raise ValueError(f"{name} must be finite, got {column[~np.isfinite(column)][0]}.")
    return column
