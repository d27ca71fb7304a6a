"""Runs one method on one problem, and measures the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche import __version__, functional
from evoniche.batches import Batch, join, take
from evoniche.function_operators import as_scorer
from evoniche.scores import read_scores
from evoniche_baselines.catalogue import find_method, find_problem
from evoniche_baselines.compare.code import Code, code_of
from evoniche_baselines.method import Method
from evoniche_baselines.parallel import advance
from evoniche_baselines.problem import Problem

__all__ = ["CodeChangedError", "Run", "Task", "metrics_of", "run"]


class CodeChangedError(RuntimeError):
    """A file that a run depends on was edited while the comparison was under way."""


@final
@attrs.frozen
class Task:
    """Defines one run: two runs of equal tasks are the same, bit for bit."""

    problem: str | Callable[[], Problem]
    """A name for `catalogue.find_problem`, or a function that makes the problem."""
    method: str | Method
    """A name for `catalogue.find_method`, or the method itself."""
    seed: int
    evaluations: int
    population_size: int | None = None
    """The number of members; by default the problem's own."""
    records: int = 100
    """The least number of records of the state of the run."""
    code: Code | None = attrs.field(default=None, repr=False)
    """The files of problem and method, as they must be. None means as they are when the run begins."""

    @property
    def problem_name(self) -> str:
        """The name of the problem in tables and files, as it was asked for.

        Raises:
            ValueError: The problem is a function without a name.
        """
        if isinstance(self.problem, str):
            return self.problem
        name = getattr(self.problem, "__name__", "<lambda>")
        if name == "<lambda>":
            raise ValueError(f"a problem needs a name: give a function that was made by def, got {self.problem!r}.")
        return f"{self.problem.__module__}.{name}"

    @property
    def method_name(self) -> str:
        """The name of the method in tables and files."""
        return self.method if isinstance(self.method, str) else self.find_method().name

    @property
    def note(self) -> str:
        """The note that an error gets, to say in which run it happened."""
        return f"in {self.method_name} on {self.problem_name}, seed {self.seed}"

    def described(self) -> dict[str, Any]:
        """Return all that identifies the run, as JSON has it."""
        return {
            "problem": self.problem_name,
            "method": self.method_name,
            "seed": self.seed,
            "evaluations": self.evaluations,
            "population_size": self.population_size,
            "records": self.records,
            "options": {name: repr(value) for name, value in self.find_method().options.items()},
            "files": [digest for _, digest in (self.current_code() if self.code is None else self.code)],
            "version": __version__,
        }

    def current_code(self) -> Code:
        """Return the files of problem and method, as they are now."""
        return code_of(self.problem) + code_of(self.method)

    def check_code(self) -> None:
        """Check that the files are as they must be.

        Raises:
            CodeChangedError: They are not; the message names one.
        """
        for place, _ in sorted(set(self.code) ^ set(self.current_code())) if self.code else ():
            if place:
                raise CodeChangedError(f"{place} has changed since the comparison began: the same command makes the "
                                       "run again, with the new file.")

    def make_problem(self) -> Problem:
        """Make the problem afresh.

        Raises:
            ValueError: There is no such problem, or the function returns something else.
        """
        if isinstance(self.problem, str):
            return find_problem(self.problem, population_size=self.population_size)
        problem = self.problem()
        if not isinstance(problem, Problem):
            raise ValueError(f"{self.problem_name} must return a Problem, got {problem!r}.")
        return problem if self.population_size is None else attrs.evolve(problem, population_size=self.population_size)

    def find_method(self) -> Method:
        """Find the method.

        Raises:
            ValueError: There is no such method, or the object is not a method.
        """
        if not isinstance(self.method, str | Method):
            raise ValueError(f"a method must be a name or a Method, @method(label) makes one: got {self.method!r}.")
        return find_method(self.method) if isinstance(self.method, str) else self.method


@final
@attrs.frozen(eq=False)
class Run:
    """The result of a task."""

    over_time: dict[str, NDArray[np.float64]]
    """Metric -> its values over time, shape (records,); "evaluations" is one of them."""
    final: dict[str, float]
    """Metric -> its last value. The problem's details, `seconds` and, where the problem has a target, `to_target` (NaN
    if it was not reached) are here only."""
    scores: NDArray[np.floating]
    """The scores of the members at the end, shape (members, cases)."""


def run(task: Task) -> Run:
    """Let a method search until its evaluations are spent.

    Each scored solution counts as one evaluation. A batch that exceeds the budget is cut, and the method is not told
    its scores.

    Raises:
        ValueError: The problem lacks what the method needs, or the scorer returns something that is not scores.
        CodeChangedError: A file of the task's code was edited meanwhile.

    >>> result = run(Task("niches", "m2n2", seed=0, evaluations=200))
    >>> result.scores.shape
    (100, 40)
    """
    try:
        task.check_code()
        result = _run(task)
        task.check_code()  # a file may be read at any time
        return result
    except Exception as error:
        error.add_note(task.note)
        raise


def _run(task: Task) -> Run:
    problem = task.make_problem()
    search = task.find_method().search(problem, task.seed)
    scorer = as_scorer(problem.scorer)
    record, known = _Record(problem, task.evaluations / task.records), None
    done, told, start = 0, False, time.perf_counter()
    while done < task.evaluations:
        genomes = search.ask()
        if not len(genomes):
            raise ValueError(f"{task.method_name} asked for nothing: ask must give at least one genome.")
        n = min(len(genomes), task.evaluations - done)
        whole = n == len(genomes)
        genomes = genomes if whole else take(genomes, np.arange(n))
        scores = known = read_scores(scorer.score(genomes), range(done, done + n), known)
        if scores.shape[1] != problem.cases:
            given = scores.shape[1]
            raise ValueError(f"{problem.name} has cases={problem.cases}, but its scorer gives {given} columns.")
        done += n
        record.add(genomes, scores, done)
        if whole:
            search.tell(scores)
            told = True
        alive = search.members if told else partial(_both, genomes, scores)  # the first batch may be cut already
        record.look(alive, done, last=done == task.evaluations)
        advance(n)
    genomes, members = alive()
    seconds = time.perf_counter() - start
    over_time = record.columns()
    final = {name: float(column[-1]) for name, column in over_time.items()}
    if problem.details is not None:
        final |= {name: float(value) for name, value in problem.details(genomes, members).items()}
    if problem.target is not None:
        final["to_target"] = record.to_target
    return Run(over_time, {**final, "seconds": seconds}, np.array(members))


def metrics_of(problem: Problem) -> list[str]:
    """List the metrics that a run on the problem will have, before it runs.

    The names of the problem's details are found by asking for those of a single random solution.

    >>> metrics_of(find_problem("niches"))
    ['best', 'best_member', 'mean', 'niches', 'coverage', 'entropy', 'share of A', 'seconds']
    """
    names = ["best", "best_member", "mean", "niches"]
    names += ["coverage", "entropy"] if problem.cases > 1 else []
    names += ["qd_score"] if problem.descriptor is not None else []
    names += ["niches_found"] if problem.finds is not None else []
    names += ["held_out"] if problem.held_out is not None else []
    names += [*problem.metrics]
    if problem.details is not None:
        one = problem.genome.sample(1, rng=np.random.default_rng(0))
        names += [*problem.details(one, read_scores(as_scorer(problem.scorer).score(one), range(1)))]
    return list(dict.fromkeys([*names, *(["to_target"] if problem.target is not None else []), "seconds"]))


def _both(genomes: Batch, scores: NDArray[Any]) -> tuple[Batch, NDArray[Any]]:
    return genomes, scores


class _Record:
    """Keeps the best solution so far and the metrics over time."""

    def __init__(self, problem: Problem, every: float) -> None:
        self.to_target = np.nan
        self._problem, self._every, self._next = problem, every, 0.0
        self._best, self._held_out = -np.inf, np.nan
        self._genome: Batch | None = None
        self._cells: dict[int, float] = {}
        self._finds: tuple[Batch, NDArray[np.floating]] | None = None
        self._rows: list[dict[str, float]] = []

    def add(self, genomes: Batch, scores: NDArray[np.floating], done: int) -> None:
        """Take note of scored solutions, whether or not they survive."""
        means = scores.mean(axis=1, dtype=np.float64)
        first = int(means.argmax())
        if means[first] > self._best:
            self._best, self._genome = float(means[first]), take(genomes, [first])
        target = self._problem.target
        if target is not None and np.isnan(self.to_target) and self._best >= target:
            self.to_target = done - len(scores) + 1 + int(np.argmax(means >= target))
        if self._problem.descriptor is not None:
            for cell, mean in zip(self._problem.descriptor.cell(genomes, scores), means, strict=True):
                self._cells[cell] = max(mean, self._cells.get(cell, 0.0))

        if self._problem.finds is not None:
            known = self._finds
            found = genomes if known is None else join(known[0], genomes)
            of_these = scores if known is None else np.concatenate([known[1], scores])
            chosen = self._problem.finds(found, of_these)
            self._finds = take(found, chosen), of_these[chosen]

    def look(self, alive: Callable[[], tuple[Batch, NDArray[Any]]], done: int, last: bool) -> None:
        """Record the state if it is time."""
        if done < self._next and not last:
            return
        self._next = done - done % self._every + self._every
        genomes, scores = alive()
        row = {
            "evaluations": done,
            "best": self._best,
            "best_member": float(scores.mean(axis=1, dtype=np.float64).max()),
            "mean": float(scores.mean(dtype=np.float64)),
            "niches": self._niches(genomes, scores),
        }
        if self._finds is not None:
            row["niches_found"] = len(self._finds[1])
        if self._problem.cases > 1:
            row |= {what.__name__: what(scores, threshold=self._problem.threshold)
                    for what in (functional.coverage, functional.entropy)}
        if self._problem.descriptor is not None:
            row["qd_score"] = sum(self._cells.values())
        if self._problem.held_out is not None:
            row["held_out"] = self._of_held_out()
        row |= {name: float(metric(genomes, scores)) for name, metric in self._problem.metrics.items()}
        self._rows.append(row)

    def columns(self) -> dict[str, NDArray[np.float64]]:
        return {name: np.array([row[name] for row in self._rows], dtype=np.float64) for name in self._rows[0]}

    def _niches(self, genomes: Batch, scores: NDArray[np.floating]) -> int:
        """Count the niches. Where the problem does not define them, members with equal scores share one."""
        if self._problem.niches is not None:
            return self._problem.niches(genomes, scores)
        return len(np.unique(scores, axis=0))

    def _of_held_out(self) -> float:
        """Score the best on the held-out cases, once."""
        held_out = self._problem.held_out
        if self._genome is not None and held_out is not None:
            self._held_out = float(np.mean(as_scorer(held_out).score(self._genome)))
            self._genome = None
        return self._held_out
