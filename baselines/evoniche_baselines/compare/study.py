"""Runs several methods on several problems many times, and puts the results into one table."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, final

import attrs
import numpy as np
import pandas as pd

from evoniche._validators import whole_number
from evoniche_baselines import parallel
from evoniche_baselines.compare.runs import Run, Task, run
from evoniche_baselines.compare.store import Store
from evoniche_baselines.method import Method
from evoniche_baselines.problem import Problem

__all__ = ["COLUMNS", "Comparison", "compare"]

COLUMNS = ("problem", "method", "run", "seed", "evaluations", "metric", "value")


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


def compare(
    problems: str | Callable[[], Problem] | Sequence[str | Callable[[], Problem]],
    methods: Sequence[str | Method],
    *,
    runs: int = 30,
    evaluations: int = 20_000,
    population_size: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    folder: Path | str | None = None,
    progress: bool = True,
    announce: Callable[[int, int], object] | None = None,
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
        jobs: The number of runs at the same time, each in its own process on one thread.
        folder: The folder where finished runs are kept. None keeps none.
        progress: Whether to show a bar on standard error.
        announce: A function `f(runs, finished)`, called once it is certain that all runs can begin.

    Returns:
        The tables.

    Raises:
        ValueError: Nothing to run, an unknown problem or method, the same one twice, or a method that needs what a
            problem does not offer. All of this is found before anything runs.
        KeyboardInterrupt: Ctrl-C came before any run was finished.

    >>> result = compare("niches", ["implicit-sharing", "ga"], runs=2, evaluations=200, progress=False)
    >>> sorted(result.final["metric"].unique())[:4]
    ['best', 'best_member', 'coverage', 'entropy']
    """
    several = [problems] if isinstance(problems, str) or callable(problems) else list(problems)
    methods = [methods] if isinstance(methods, str | Method) else list(methods)
    first, runs = whole_number("seed", seed, 0), whole_number("runs", runs, 1)
    whole_number("evaluations", evaluations, 1)
    tasks = [
        Task(problem, method, first + number, evaluations, population_size)
        for problem in several
        for number in range(runs)
        for method in methods
    ]
    _check(tasks)
    jobs = whole_number("jobs", jobs, 1)
    with tempfile.TemporaryDirectory() as temporary:
        store = Store(Path(temporary if folder is None else folder))
        finished = {task: known for task in tasks if (known := store.load(task)) is not None}
        if announce is not None:
            announce(len(tasks), len(finished))
        done = finished | dict(_run([task for task in tasks if task not in finished], store, jobs, progress))
        # Ctrl-C may have come when a run had just been saved: it is finished as well.
        done |= {task: known for task in tasks if task not in done and (known := store.load(task)) is not None}
    if not done:
        raise KeyboardInterrupt
    return _tables(tasks, done, first)


def _check(tasks: Sequence[Task]) -> None:
    """Refuse what cannot run, before anything runs."""
    if not tasks:
        raise ValueError("compare needs at least one problem and one method.")
    if len({(task.problem_name, task.method_name, task.seed) for task in tasks}) < len(tasks):
        raise ValueError("a problem or method comes twice: each may come once, under a name of its own.")
    for problem_name in dict.fromkeys(task.problem_name for task in tasks):
        of_problem = [task for task in tasks if task.problem_name == problem_name and task.seed == tasks[0].seed]
        problem = of_problem[0].make_problem()
        for task in of_problem:
            try:
                task.find_method().search(problem, task.seed)  # an option that is refused is found here as well
            except Exception as error:
                error.add_note(task.note)
                raise


def _run(left: Sequence[Task], store: Store, jobs: int, progress: bool) -> Iterator[tuple[Task, Run]]:
    """Yield runs as they end, and keep each at once."""
    steps = sum(task.evaluations for task in left)
    running = parallel.each(run, [(task,) for task in left], jobs=min(jobs, max(1, len(left))), steps=steps,
                            progress=progress and bool(left))
    with closing(running):
        try:
            for number, result in running:
                store.save(left[number], result)
                yield left[number], result
        except KeyboardInterrupt:
            return


def _tables(tasks: Sequence[Task], runs: dict[Task, Run], first: int) -> Comparison:
    done = [(task, runs[task]) for task in tasks if task in runs]
    over_time: list[pd.DataFrame] = []
    final: list[tuple[Any, ...]] = []
    for task, result in done:
        common = (task.problem_name, task.method_name, task.seed - first, task.seed)
        evaluations = result.over_time["evaluations"].astype(np.int64)
        for metric, values in result.over_time.items():
            if metric != "evaluations":
                over_time.append(pd.DataFrame(dict(zip(COLUMNS, (*common, evaluations, metric, values), strict=True))))
        for metric, value in result.final.items():
            if metric != "evaluations":
                final.append((*common, evaluations[-1], metric, value))
    tasks_of = {task.problem_name: task for task, _ in done}
    problems = {name: task.make_problem() for name, task in tasks_of.items()}
    methods = {task.method_name: task for task, _ in done}
    return Comparison(
        over_time=pd.concat(over_time, ignore_index=True),
        final=pd.DataFrame(final, columns=list(COLUMNS)),
        problems={name: problem.name for name, problem in problems.items()},
        best_known={name: p.best_known for name, p in problems.items() if p.best_known is not None},
        methods={name: task.find_method().label for name, task in methods.items()},
        scores={(t.problem_name, t.method_name, t.seed - first): result.scores for t, result in done},
        missing=tuple((t.problem_name, t.method_name, t.seed - first) for t in tasks if t not in runs),
    )
