"""`evoniche run digits`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from evoniche.plots import draw_runs, read_runs
from evoniche_baselines.methods import PAPER_METHODS
from evoniche_baselines.problems.digits.runs import DigitsRun, DigitsSettings, run_seeds, write_runs

_EVALUATIONS = {"scratch": 50_000, "experts": 10_000}


@click.command(context_settings={"show_default": True})
@click.option(
    "--start",
    type=click.Choice(["scratch", "experts"]),
    default="scratch",
    help="Two random networks and mutation, or two trained on half of the digits each and none.",
)
@click.option("--train", is_flag=True, help="Train fresh experts for each run (needs torch).")
@click.option("--method", type=click.Choice(list(PAPER_METHODS)), default="m2n2", help="M2N2, an ablation, or a GA.")
@click.option(
    "--evaluations",
    type=click.IntRange(min=2),
    show_default="50000 from scratch, 10000 from experts",
    help="Networks scored on the training images, in each run.",
)
@click.option("--population", type=click.IntRange(min=2), default=20, help="Members.")
@click.option("--alpha", type=click.FloatRange(min=0), show_default="1", help="Intensity of the competition.")
@click.option(
    "--angle",
    type=click.Choice(["whole", "part"]),
    show_default="whole",
    help="Of SLERP: between the whole networks, or each part's own.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the first run; the others count on from it.")
@click.option("--runs", type=click.IntRange(min=1), default=1, help="Independent runs.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, help="Runs at a time, each on one thread.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/digits"),
    help="Folder for history.csv (about 500 records a run), result.json, population.npz and figure.png; those that are "
    "there are replaced.",
)
@click.option("--quiet", is_flag=True, help="No progress bars.")
def digits(
    start: str,
    train: bool,
    method: str,
    evaluations: int | None,
    population: int,
    alpha: float | None,
    angle: str | None,
    seed: int,
    runs: int,
    jobs: int,
    out: Path,
    quiet: bool,
) -> None:
    """Evolve classifiers of handwritten digits: the first experiment of the M2N2 paper.

    A network has 19,210 parameters, a case is one of 1,437 training images, and accuracy is reported on 360
    others, for the member with the best training accuracy.
    """
    if train and start != "experts":
        raise click.UsageError("--train makes experts: it needs --start experts.")
    without = PAPER_METHODS[method].without
    if angle and not (without.get("split_point", True) and without.get("crossover", "slerp")):
        raise click.UsageError(f"--angle is of the crossover with a split point, which {method} has not.")
    if start == "experts" and not without.get("crossover", "slerp"):
        raise click.UsageError(f"{method} changes nothing here: --start experts has no mutation.")
    settings = DigitsSettings(start, method, evaluations or _EVALUATIONS[start], population, alpha, angle, train)
    _check_writable(out)
    command = shlex.join(["evoniche", *sys.argv[1:]])
    done: list[DigitsRun] = []
    try:
        for run in run_seeds(settings, range(seed, seed + runs), jobs=jobs, progress=not quiet):
            done.append(run)
            write_runs(out, settings, done, command)
    except (ValueError, ImportError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
    if not done:
        raise click.ClickException("interrupted before any run ended: nothing was written.")
    figure = draw_runs([read_runs(out)], out / "figure.png")
    _report(done, out, figure)


def _check_writable(out: Path) -> None:
    """Find out before the run, not after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise click.ClickException(f"--out {out} cannot be written: {error.strerror}.") from error


def _report(done: list[DigitsRun], out: Path, figure: Path) -> None:
    click.echo(f"{'seed':>6} {'train':>7} {'test':>7} {'coverage':>9} {'entropy':>8} {'seconds':>8}")
    for run in sorted(done, key=lambda run: run.seed):
        s = run.summary
        note = "  interrupted" if s["stopped"] == "interrupted" else ""
        click.echo(
            f"{run.seed:>6} {s['best']:>7.3f} {s['test']:>7.3f} {s['coverage']:>9.3f} {s['entropy']:>8.3f} "
            f"{s['seconds']:>8.1f}{note}"
        )
    if len(done) > 1:
        train, test = (sum(run.summary[name] for run in done) / len(done) for name in ("best", "test"))
        click.echo(f"{'mean':>6} {train:>7.3f} {test:>7.3f}")
    click.echo(f"results in {out}, picture in {figure}")
