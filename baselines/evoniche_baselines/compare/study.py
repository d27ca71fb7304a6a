"""Runs several methods on several problems many times, and puts the results into one table."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, final

import attrs
import numpy as np
import pandas as pd

from evoniche import _log
from evoniche._text import printable
from evoniche._validators import whole_number
from evoniche_baselines import parallel
from evoniche_baselines.compare.code import Code
from evoniche_baselines.compare.runs import Run, Task, metrics_of, run
from evoniche_baselines.compare.store import Store
from evoniche_baselines.method import Method
from evoniche_baselines.parallel import Failure
from evoniche_baselines.problem import Problem

__all__ = ["COLUMNS", "Comparison", "Failed", "compare"]

COLUMNS = ("problem", "method", "run", "seed", "evaluations", "metric", "value")


@final
@attrs.frozen
class Failed:
    """A run that has no result."""

    problem: str
    method: str
    run: int
    seed: int
    failure: Failure

    def __str__(self) -> str:
        """Return one line that names the run and says why."""
        attempts = f", after {self.failure.attempts} attempts" if self.failure.attempts > 1 else ""
        return f"{self.method} on {self.problem}, seed {self.seed}: {self.failure.why}{attempts}"


@final
@attrs.frozen(eq=False)
class Comparison:
    """The result of a comparison.

    The tables have the columns problem, method, run, seed, evaluations, metric and value, and a row for each number.
    """

    over_time: pd.DataFrame
    """The metrics over time: every record of every run."""
    final: pd.DataFrame
    """The final values of each run; `to_target` and `seconds` are here only."""
    problems: dict[str, str]
    """The name of a problem in the tables, as it was asked for -> its name for a reader."""
    methods: dict[str, str]
    """The name of a method in the tables -> its name for a reader."""
    scores: dict[tuple[str, str, int], Any]
    """Problem, method and run -> the scores of the members at the end, shape (members, cases)."""
    best_known: dict[str, float] = attrs.field(factory=dict)
    """Problem -> the best mean score that is known to be possible, where it is."""
    missing: tuple[tuple[str, str, int], ...] = ()
    """The problem, method and run of each run that is missing because the comparison was interrupted."""
    failed: tuple[Failed, ...] = ()
    """The runs that failed. They are in no table, and the same comparison, made again, tries them again."""


def compare(
    problems: str | Callable[[], Problem] | Sequence[str | Callable[[], Problem]],
    methods: Sequence[str | Method],
    *,
    runs: int = 30,
    evaluations: int = 20_000,
    population_size: int | None = None,
    seed: int = 0,
    jobs: int = 0,
    retries: int = 1,
    timeout: float | None = None,
    keep_going: bool = True,
    folder: Path | str | None = None,
    progress: bool = True,
    announce: Callable[[int, int], object] | None = None,
    primary: str = "best",
    runs_from: Sequence[Path | str] = (),
) -> Comparison:
    """Run every method on every problem, each run with its own seed and the same budget.

    Run i has the seed `seed` + i with every method, so evoniche's methods begin it with the same genomes. A finished
    run is kept in the folder and does not run again. Ctrl-C ends the comparison with the runs that are finished.

    Args:
        problems: One or several names for `catalogue.find_problem`, or functions that make a `Problem`.
        methods: Names for `catalogue.find_method`, or `Method`s.
        runs: The number of runs of each method on each problem.
        evaluations: The number of solutions scored in each run.
        population_size: The number of members; by default each problem's own.
        seed: The seed of the first run.
        jobs: The number of runs at the same time, each in a worker process on one thread; what they are given must be
            importable there. With 0, all run in this process, one after the other, and a run that kills its process
            kills this one.
        retries: How often a run that failed is tried again.
        timeout: The seconds that a run may take; needs `jobs` >= 1. None means no limit.
        keep_going: Whether the others go on when a run has failed. If not, its error is raised when those beside it
            have ended.
        folder: The folder where finished runs are kept. None keeps none.
        progress: Whether to show a bar on standard error.
        announce: A function `f(runs, finished)`, called once it is certain that all runs can begin.
        primary: The metric on which the study stands; see `write_report`. It is only checked here, before the runs.
        runs_from: More folders of finished runs, of another machine perhaps. What this comparison asks for and they
            have is copied into `folder`.

    Returns:
        The tables.

    Raises:
        ValueError: Nothing to run, an unknown problem, method or primary metric, the same one twice, a method that
            needs what a problem does not offer, or no folder in `runs_from`. All of this is found before anything runs.
        KeyboardInterrupt: Ctrl-C came before any run was finished.
        Exception: What the first run raised, if all failed; of a worker, a `parallel.TaskError`.
        OSError: The folder cannot be written or read.

    >>> result = compare("niches", ["implicit-sharing", "ga"], runs=2, evaluations=200, progress=False)
    >>> sorted(result.final["metric"].unique())[:4]
    ['best', 'best_member', 'coverage', 'entropy']
    """
    several = [problems] if isinstance(problems, str) or callable(problems) else list(problems)
    methods = [methods] if isinstance(methods, str | Method) else list(methods)
    first, runs = whole_number("seed", seed, 0), whole_number("runs", runs, 1)
    whole_number("evaluations", evaluations, 1)
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout must be > 0 seconds, or None for no limit, got {timeout}.")
    tasks, problems_made = _checked([
        Task(problem, method, first + number, evaluations, population_size)
        for problem in several
        for number in range(runs)
        for method in methods
    ])
    _check_primary(primary, problems_made)
    for place in runs_from:
        if not Path(place).is_dir():
            raise ValueError(f"runs_from must be folders of finished runs, and there is no folder {place}.")
    crew = _Crew(whole_number("jobs", jobs, 0), whole_number("retries", retries, 0), timeout, keep_going, progress)
    with tempfile.TemporaryDirectory() as temporary:
        store = Store(Path(temporary if folder is None else folder))
        finished = {task: known for task in tasks if (known := store.load(task)) is not None}
        for task in tasks:
            for other in map(Store, map(Path, runs_from)):
                if task not in finished and (known := other.load(task)) is not None:
                    store.save(task, known)
                    finished[task] = known
        if announce is not None:
            announce(len(tasks), len(finished))
        outcomes = finished | dict(crew.work(tasks, finished, store))
        # Ctrl-C may have come when a run had just been saved: it is finished as well.
        outcomes |= {task: known for task in tasks if task not in outcomes and (known := store.load(task)) is not None}
    if not any(isinstance(outcome, Run) for outcome in outcomes.values()):
        raise KeyboardInterrupt
    return _tables(tasks, outcomes, first, problems_made)


def _checked(tasks: Sequence[Task]) -> tuple[list[Task], dict[str, Problem]]:
    """Refuse what cannot run, before anything runs, and fix the files that the runs are of; return the problems too."""
    if not tasks:
        raise ValueError("compare needs at least one problem and one method.")
    if len({(task.problem_name, task.method_name, task.seed) for task in tasks}) < len(tasks):
        raise ValueError("a problem or method comes twice: each may come once, under a name of its own.")
    code: dict[tuple[str, str], Code] = {}
    problems: dict[str, Problem] = {}
    for task in tasks:
        for name in (task.problem_name, task.method_name):
            if name != printable(name):
                raise ValueError(f"the name of a problem or method must be text that a file can hold, got {name!r}.")
    for problem_name in dict.fromkeys(task.problem_name for task in tasks):
        of_problem = [task for task in tasks if task.problem_name == problem_name and task.seed == tasks[0].seed]
        code |= {(task.problem_name, task.method_name): task.current_code() for task in of_problem}  # before it is read
        problem = problems[problem_name] = of_problem[0].make_problem()
        for task in of_problem:
            try:
                task.find_method().search(problem, task.seed)  # an option that is refused is found here as well
            except Exception as error:
                error.add_note(task.note)
                raise
    return [attrs.evolve(task, code=code[task.problem_name, task.method_name]) for task in tasks], problems


def _check_primary(primary: str, problems: Mapping[str, Problem]) -> None:
    there = list(dict.fromkeys(name for problem in problems.values() for name in metrics_of(problem)))
    if primary not in there:
        raise ValueError(f"primary must be a metric of the problems, one of {', '.join(there)}, got {primary!r}.")


@final
@attrs.frozen
class _Crew:
    """How runs are made."""

    jobs: int
    retries: int
    timeout: float | None
    keep_going: bool
    progress: bool

    def work(
        self, tasks: Sequence[Task], finished: Mapping[Task, Run], store: Store
    ) -> Iterator[tuple[Task, Run | Failure]]:
        """Yield what became of the runs that are left, as they end, and keep each at once."""
        left = [task for task in tasks if task not in finished]
        if not left:
            return
        running = parallel.each(
            run, [(task,) for task in left], jobs=min(self.jobs, len(left)), retries=self.retries, timeout=self.timeout,
            keep_going=self.keep_going, progress=self.progress, steps=sum(task.evaluations for task in tasks),
            done=sum(task.evaluations for task in finished), title=f"{len(tasks)} runs",
        )
        failed: list[tuple[Task, Failure]] = []
        with closing(running):
            try:
                for number, outcome in running:
                    if isinstance(outcome, Failure):
                        kept = store.save_failure(left[number], outcome)
                        _log.warning("{} failed: {}. The traceback is in {}.", left[number].note, outcome.why, kept)
                        failed.append((left[number], outcome))
                    else:
                        store.save(left[number], outcome)
                    yield left[number], outcome
            except KeyboardInterrupt:
                return
        if failed and (not self.keep_going or len(failed) == len(tasks)):
            task, failure = failed[0]
            failure.throw(task.note)


def _tables(
    tasks: Sequence[Task], outcomes: Mapping[Task, Run | Failure], first: int, made: Mapping[str, Problem]
) -> Comparison:
    done = [(task, result) for task in tasks if isinstance(result := outcomes.get(task), Run)]
    failed = [(task, failure) for task in tasks if isinstance(failure := outcomes.get(task), Failure)]
    over_time: list[pd.DataFrame] = []
    final: list[tuple[Any, ...]] = []
    for task, result in done:
        common = (task.problem_name, task.method_name, task.seed - first, task.seed)
        evaluations = result.over_time["evaluations"].astype(np.int64)
        for metric, values in result.over_time.items():
            if metric != "evaluations":
                columns = (*common, evaluations, printable(metric), values)
                over_time.append(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))))
        for metric, value in result.final.items():
            if metric != "evaluations":
                final.append((*common, evaluations[-1], printable(metric), value))
    problems = {task.problem_name: made[task.problem_name] for task, _ in done}
    methods = {task.method_name: task for task, _ in done}
    return Comparison(
        over_time=pd.concat(over_time, ignore_index=True),
        final=pd.DataFrame(final, columns=list(COLUMNS)),
        problems={name: printable(problem.name) for name, problem in problems.items()},
        best_known={name: p.best_known for name, p in problems.items() if p.best_known is not None},
        methods={name: printable(task.find_method().label) for name, task in methods.items()},
        scores={(t.problem_name, t.method_name, t.seed - first): result.scores for t, result in done},
        missing=tuple((t.problem_name, t.method_name, t.seed - first) for t in tasks if t not in outcomes),
        failed=tuple(Failed(t.problem_name, t.method_name, t.seed - first, t.seed, failure) for t, failure in failed),
    )
