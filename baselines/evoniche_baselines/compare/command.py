"""The command `evoniche compare`."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from evoniche import _log
from evoniche_baselines import catalogue
from evoniche_baselines.compare.preface import cores
from evoniche_baselines.compare.report import iqm_with_interval, write_report
from evoniche_baselines.compare.statistics import success, summary
from evoniche_baselines.compare.study import Comparison
from evoniche_baselines.compare.study import compare as run_comparison
from evoniche_baselines.compare.study_file import from_study_file
from evoniche_baselines.problem import NEEDS

__all__ = ["compare", "split_methods"]

_INTERRUPTED = 130  # what a shell calls a program that Ctrl-C ended
_OF_A_RUN = re.compile("in .* on .*, seed [0-9]+$")  # the note on what a run raised
_WIDTH = 120
_COLUMNS = """best, IQM: mean of the middle half of the runs, with a 95 % bootstrap interval; below five runs the values
niches: those that the problem defines, or else the members that differ in the score of some case
target: share of the runs that reached it
"""
_NO_BREAK = "\N{NO-BREAK SPACE}"


def split_methods(texts: Sequence[str]) -> list[str]:
    """Split names at commas, but not before `word=`, where the options of a method go on.

    >>> split_methods(["m2n2:alpha=0.5,ga", "antigen:sample_size=5,draws=20"])
    ['m2n2:alpha=0.5', 'ga', 'antigen:sample_size=5,draws=20']
    """
    parts = [part.strip() for text in texts for part in re.split(r",(?!\s*[\w-]+=)", text)]
    return [part for part in parts if part]


def _show_list(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    click.echo("Problems, what they offer, and their options (name:option=value,option=value) with their defaults:")
    _describe("problem", _offers)
    click.echo("\nMethods, what they need, and their options with their defaults:")
    _describe("method", _needs)
    click.echo("\nIn these lists:")
    for need, meaning in NEEDS.items():
        click.echo(f"  {need:<12} {meaning}")
    ctx.exit()


@click.command(context_settings={"show_default": True})
@click.argument("problems", metavar="PROBLEM...", nargs=-1, required=True, is_eager=True, callback=from_study_file)
@click.option(
    "--methods",
    multiple=True,
    required=True,
    metavar="A,B,C",
    help="Methods; the others are tested against the first. May be repeated. A comma before `word=` separates options: "
    "m2n2:alpha=0.5,ga are two methods, antigen:sample_size=5,draws=20 is one.",
)
@click.option("--runs", type=click.IntRange(min=1), default=30, help="Runs of each method on each problem.")
@click.option("--evaluations", type=click.IntRange(min=1), default=20_000, help="Solutions scored in each run.")
@click.option("--population", type=click.IntRange(min=2), show_default="each problem's own", help="Number of members.")
@click.option(
    "--primary", default="best", metavar="METRIC",
    help="The metric that the study stands on, chosen before the runs; the report marks the others as secondary.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of the first run; the others count on.")
@click.option(
    "--jobs",
    type=click.IntRange(min=0),
    default=cores,
    show_default="the processor's cores",
    help="Runs at the same time, each on one thread of a worker process. 0 runs all in this process, for a debugger.",
)
@click.option("--retries", type=click.IntRange(min=0), default=1, help="How often a run that failed is tried again.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", show_default="none",
              help="The time that a run may take; one that takes longer has failed.")
@click.option("--keep-going/--no-keep-going", default=True,
              help="Go on when a run has failed. It is named, kept with its traceback, and left out of the statistics.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/compare"),
    help="Folder for tables, pictures, report.md and report.html, which are replaced, and for finished runs, which are "
    "not run again.",
)
@click.option(
    "--runs-from", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="FOLDER",
    help="The --out of the same study on another machine: its finished runs are taken over. May be repeated.",
)
@click.option("--quiet", is_flag=True, help="No progress bar, and nothing said before the end.")
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_show_list,
    help="Show the problems and methods that are there, and exit.",
)
def compare(
    problems: tuple[str, ...],
    methods: tuple[str, ...],
    runs: int,
    evaluations: int,
    population: int | None,
    primary: str,
    seed: int,
    jobs: int,
    retries: int,
    timeout: float | None,
    keep_going: bool,
    out: Path,
    runs_from: tuple[Path, ...],
    quiet: bool,
) -> None:
    """Compare methods on problems, with statistics, pictures and a report.

    A PROBLEM is a name, name:option=value,option=value, or file.py:name; so is a method. In place of problems a file
    study.toml may name problems, methods and options. Ctrl-C keeps the runs that
    are finished and reports them, and the same command goes on from there. The status is 1 if a run failed.
    """
    names = split_methods(methods)
    with _writable(out):
        try:
            def announce(asked: int, finished: int) -> None:
                what = f"{_count(len(names), 'method')} on {_count(len(problems), 'problem')}"
                if not quiet:
                    click.echo(f"{_count(asked, 'run')} of {evaluations:,} evaluations ({what}), of which {finished} "
                               "finished before", err=True)

            comparison = run_comparison(
                problems, names, runs=runs, evaluations=evaluations, population_size=population, seed=seed, jobs=jobs,
                retries=retries, timeout=timeout, keep_going=keep_going, folder=out / "runs", progress=not quiet,
                announce=announce, primary=primary, runs_from=[folder / "runs" for folder in runs_from],
            )
        except KeyboardInterrupt:
            raise _interrupted("before any run ended: nothing was written.") from None
        except Exception as error:
            raise click.ClickException(_explained(error)) from error
        try:
            command = shlex.join(["evoniche", *sys.argv[1:]])
            path = write_report(comparison, out, command=command, population_size=population, primary=primary)
        except KeyboardInterrupt:
            raise _interrupted("before the report was written: the same command writes it.") from None
        except (ValueError, ImportError, OSError) as error:
            raise click.ClickException(str(error)) from error
    _print(comparison)
    click.echo(_COLUMNS)
    click.echo(f"report in {path}")
    for failed in comparison.failed:
        click.echo(f"failed: {failed}", err=True)
    if comparison.missing:
        click.echo(f"interrupted: {_count(len(comparison.missing), 'run')} left, with which the same command goes on",
                   err=True)
        sys.exit(_INTERRUPTED)
    if comparison.failed:
        click.echo(f"{_count(len(comparison.failed), 'run')} failed, and are not in the tables; the same command tries "
                   "them again", err=True)
        sys.exit(1)


@contextmanager
def _writable(out: Path) -> Iterator[None]:
    """Check before the runs that a folder can be written, and remove it when nothing was."""
    new = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise click.ClickException(f"--out {out} cannot be written: {error.strerror}.") from error
    try:
        yield
    finally:
        for folder in new:
            with suppress(OSError):  # there is something in it
                folder.rmdir()


def _interrupted(when: str) -> click.ClickException:
    class Interrupted(click.ClickException):
        exit_code = _INTERRUPTED

    return Interrupted(f"interrupted {when}")


def _explained(error: Exception) -> str:
    """Say what a user needs to read; the log has the traceback."""
    text = f"{type(error).__name__}: {error}"
    where = [note.removeprefix("in ") for note in getattr(error, "__notes__", ()) if _OF_A_RUN.match(note)]
    if not where and isinstance(error, ValueError | ImportError | OSError | RuntimeError):
        return str(error)  # of what was asked for
    _log.debug("the comparison ended with {}", "".join(traceback.format_exception(error)))
    if not where:
        return f"{text}. The traceback: evoniche -v compare ..."
    return (f"{where[0]}: {text}\nFinished runs are kept; the same command goes on from there. "
            "The traceback: evoniche -v compare ...")


def _print(comparison: Comparison) -> None:
    """Print a table for each problem on standard output."""
    final = comparison.final
    best, niches = summary(final, "best"), summary(final, "niches")
    reached = success(final).set_index(["problem", "method"])
    width = max(len(method) for method in (*comparison.methods, "method"))
    for problem, name in comparison.problems.items():
        click.echo(f"\n{name}\n{'method':<{width}} {'runs':>5}  {'best, IQM [95 %]':<24} {'niches':<22} target")
        for method in comparison.methods:
            of = best[(best["problem"] == problem) & (best["method"] == method)]
            if of.empty:
                continue
            pair = (problem, method)
            at_target = f"{reached.loc[pair, 'rate']:.0%}" if pair in reached.index else "-"
            click.echo(f"{method:<{width}} {of['runs'].iloc[0]:>5}  {iqm_with_interval(best, *pair, 'best'):<24} "
                       f"{iqm_with_interval(niches, *pair, 'niches'):<22} {at_target}")
    click.echo()


def _describe(kind: str, line: Callable[[str], tuple[str, str]]) -> None:
    """Print a line for each name and its options below it, or what is missing in their place."""
    names = catalogue.names(kind)
    width = max(map(len, names), default=0)
    for name in names:
        try:
            about, words = line(name)
            options = catalogue.options(kind, name)
        except (ImportError, ValueError, TypeError) as error:
            about, words, options = str(error), "", {}
        click.echo(f"  {name:<{width}}  {about:<52} {words}".rstrip())
        shown = ", ".join(f"{option}={_NO_BREAK.join(_default(value).split())}" for option, value in options.items())
        if shown:
            indent = " " * (width + 6)
            filled = textwrap.fill(shown, _WIDTH, initial_indent=indent, subsequent_indent=indent,
                                   break_long_words=False, break_on_hyphens=False)
            click.echo(filled.replace(_NO_BREAK, " "))


def _default(value: Any) -> str:
    """Write a value as the command line has it."""
    if value is inspect.Parameter.empty:
        return "..."
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _offers(name: str) -> tuple[str, str]:
    problem = catalogue.find_problem(name)
    return problem.name, _words(problem.offers)


def _needs(name: str) -> tuple[str, str]:
    method = catalogue.find_method(name)
    return method.label, _words(method.needs)


def _words(needs: Any) -> str:
    return ", ".join(need for need in NEEDS if need in needs) or "-"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
