"""`evoniche merge`."""

from __future__ import annotations

import csv
import importlib.util
import shlex
import sys
import traceback
from pathlib import Path
from typing import Any

import click
import torch
from numpy.typing import NDArray

from evoniche import Chromosomes, Recipe, Recipes, Result, _log
from evoniche_torch.commands.merge_options import SectionedCommand, merge_options, parse_pairs
from evoniche_torch.commands.merge_plan import describe_plan
from evoniche_torch.commands.merge_run import MergeRun, Trial
from evoniche_torch.commands.tasks import read_tasks
from evoniche_torch.files import model_paths, split_adapter
from evoniche_torch.models import CheckpointSeeds, chromosomes, load_pretrained
from evoniche_torch.output import (
    Card,
    check_adapters,
    check_output_folder,
    draw_merge,
    parse_size,
    write_adapter,
    write_checkpoint,
)
from evoniche_torch.scorers import MultiTaskScorer

__all__ = ["merge"]


@click.command(cls=SectionedCommand, context_settings={"show_default": True})
@click.argument("models", nargs=-1, required=True, metavar="MODEL MODEL...", type=click.Path(path_type=Path))
@merge_options
def merge(models: tuple[Path, ...], **options: Any) -> None:
    """Merge fine-tuned models of one architecture by evolution.

    MODELs are folders of transformers or diffusers, or MODEL+ADAPTER for a LoRA over one. A population of merges
    competes for the cases of your tasks (M2N2): merges that solve what few others do survive, and pair with those who
    solve what they do not. Layer groups and mixing ratios are found, not given. The best merge is written as a folder
    that loads like its parents.

    \b
    evoniche merge wizard-math agent --scorer tasks.py:maths --scorer tasks.py:shop --evaluations 1000 --out merged
    """  # noqa: D301
    try:
        _merge(models, options)
    except (ValueError, ImportError, OSError) as error:
        _log.debug("{}", traceback.format_exc())
        raise click.ClickException(str(error)) from error


def _merge(models: tuple[Path, ...], options: dict[str, Any]) -> None:
    _check_options(models, options)
    progress = not options["quiet"]
    device = _device(options["device"])
    training, held_out = _tasks(options)
    if options["as_adapter"] and not options["base"]:
        options["base"] = split_adapter(models[0])[0]
    with _open_seeds(models, options, progress) as seeds:
        if options["as_adapter"]:
            check_adapters(seeds)
        groups = chromosomes(seeds.index, options["chromosomes"])
        model = load_pretrained(
            seeds.folders[0],
            seeds.index,
            device=device,
            trust_remote_code=options["trust_remote_code"],
            progress=progress,
        )
        if not options["dry_run"]:
            seeds.check_finite()  # reads the models for their dot products, which are needed in any case
        run = MergeRun(seeds, model, training, held_out)
        trial = run.trial()
        if options["dry_run"]:
            plan = {name: options[name] for name in ("evaluations", "warmup", "population", "split_point", "dtype")}
            click.echo(describe_plan(run, trial, chromosomes=groups, **plan))
            return
        result, best, scores = _evolve(run, trial, groups, options)
        table = run.table(scores, best)
        _write(run, result, best, table, options)
    _report(result, table, options["out"], options["record"])


def _evolve(
    run: MergeRun, trial: Trial, groups: Chromosomes | None, options: dict[str, Any]
) -> tuple[Result, Recipe, NDArray[Any]]:
    """Run the evolution: its result, the best merge, and the training scores of the seeds and last of that merge."""
    seeds = run.seeds
    if options["evaluations"] <= seeds.count + options["warmup"]:
        _log.warning("no more than the {} seeds and {} random merges of them are scored: give more --evaluations "
                     "or a smaller --warmup.", seeds.count, options["warmup"])  # fmt: skip
    names = ("warmup", "split_point", "angle", "attraction", "alpha", "capacity", "relative_scores", "seed")
    evolution = run.evolution(
        trial,
        chromosomes=groups,
        record=options["record"],
        population_size=options["population"],
        **{name: options[name] for name in names},
    )
    try:
        result = evolution.run(total=options["evaluations"], progress=not options["quiet"])
    except (ValueError, OSError) as error:
        lost = _lost(options["record"], evolution.evaluations)
        raise ValueError(f"{error} Nothing was written; {lost}") from error
    if result.best is None:
        raise click.ClickException("interrupted before any model was scored: nothing was written.")
    best = result.best.genome[0]
    assert evolution.parts.scorer is not None
    return result, best, evolution.parts.scorer.score(Recipes(seeds, [*Recipes.of_seeds(seeds), best]))


def _lost(record: Path | None, evaluations: int) -> str:
    """Say what is left of a run that failed."""
    if record is None:
        return f"{evaluations} evaluations are lost: with --record FILE, the same command would go on from them."
    return f"{evaluations} evaluations are in {record}: the same command goes on from them."


def _check_options(models: tuple[Path, ...], options: dict[str, Any]) -> None:
    """Refuse options that do not fit together, before anything is loaded."""
    if len(models) < 2:
        raise click.UsageError("a merge needs at least two models, each a folder of its own.")
    if not options["scorer"] and not options["tasks"]:
        raise click.UsageError("say what the merged model should be good at, by --scorer or --tasks.")
    if options["like"] > len(models):
        raise click.UsageError(f"--like must be from 1 to {len(models)}, the number of models.")
    if options["out"] is None and not options["dry_run"]:
        raise click.UsageError("--out is needed, the folder for the merged model (or --dry-run).")
    if options["evaluations"] < len(models):
        raise click.UsageError(f"--evaluations must be at least {len(models)}, for the models themselves.")
    if options["angle"] == "part" and not options["split_point"]:
        raise click.UsageError("--angle part is of the parts before and after the split point: leave out "
                               "--no-split-point.")
    try:
        parse_size(options["shard_size"])
    except ValueError:
        raise click.UsageError(f"--shard-size must be such as 5GB or 500MB, got {options['shard_size']!r}.") from None
    if (out := options["out"]) is not None:
        base = [options["base"]] if options["base"] else []
        check_output_folder(out, overwrite=options["overwrite"], inputs=model_paths([*models, *base]))
        if (record := options["record"]) is not None and out.resolve() in record.resolve().parents:
            raise click.UsageError(f"--record {record} must lie outside of --out {out}, which is made in the end.")
        if importlib.util.find_spec("matplotlib") is None:
            raise ImportError("the picture of a merge needs matplotlib: pip install 'evoniche[plot]'.")


def _device(name: str) -> str:
    """The name of a device that can be used."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = next(iter(str(error).splitlines()), "not there")
        raise click.UsageError(f"--device {name} cannot be used: {reason}") from error
    return name


def _tasks(options: dict[str, Any]) -> tuple[MultiTaskScorer, MultiTaskScorer | None]:
    """The tasks to compete for, and those that are held out."""
    harness = parse_pairs(options["harness"], "--lm-eval")
    weights = parse_pairs(options["weights"], "--weight", "NUMBER")
    for name, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise click.UsageError(f"--weight must be given as NAME=NUMBER, got {name}={weight}.")
    training = read_tasks(options["scorer"], options["tasks"], weights=weights, harness=harness)
    later = options["held_out"], options["held_out_tasks"]
    return training, read_tasks(*later, harness=harness) if any(later) else None


def _open_seeds(models: tuple[Path, ...], options: dict[str, Any], progress: bool) -> CheckpointSeeds:
    names = ("base", "component", "variant", "mixed_dtypes", "allow_torch_files", "check_finite")
    return CheckpointSeeds(
        models,
        ignore=options["ignore_config"],
        cache=not options["no_cache"],
        progress=progress,
        **{name: options[name] for name in names},
    )


def _write(
    run: MergeRun, result: Result, best: Recipe, table: dict[str, dict[str, float]], options: dict[str, Any]
) -> None:
    columns = ["model", *next(iter(table.values()))]
    rows = [[name, *(f"{score:.4f}" for score in row.values())] for name, row in table.items()]
    assert result.best is not None
    lineage = [
        f"child {result.best.id} of {result.best.parents[0]} and {result.best.parents[1]}, "
        f"the best of {result.evaluations} evaluations"
        if result.best.parents[0] >= 0
        else f"number {result.best.id} of those that the evolution of {result.evaluations} evaluations began with"
    ]
    command = shlex.join(["evoniche", *sys.argv[1:]])
    settings: dict[str, Any] = {
        "like": options["like"] - 1,
        "card": Card(title=options["out"].name, command=command, scores=(columns, rows), lineage=lineage),
        "overwrite": options["overwrite"],
    }
    if options["as_adapter"]:
        out = write_adapter(best, run.seeds, options["out"], dtype=options["dtype"] or "float32", **settings)
    else:
        settings |= {"dtype": options["dtype"], "shard_size": options["shard_size"], "progress": not options["quiet"]}
        out = write_checkpoint(best, run.seeds, options["out"], **settings)
    with (out / "history.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(result.history)
        writer.writerows(zip(*result.history.values(), strict=True))
    draw_merge(result, run.seeds.index, run.seeds.labels, out / "figure.png")


def _report(result: Result, table: dict[str, dict[str, float]], out: Path, record: Path | None) -> None:
    columns = list(next(iter(table.values())))
    width = max(map(len, table))
    click.echo("  ".join([" " * width, *(f"{name:>8}" for name in columns)]))
    for model, row in table.items():
        click.echo("  ".join([f"{model:<{width}}", *(f"{row[name]:>{max(8, len(name))}.3f}" for name in columns)]))
    if result.stopped == "interrupted":
        more = "" if record is None else f"; from {record} the same command goes on with --overwrite"
        click.echo(f"interrupted after {result.evaluations} evaluations; this is the best of them{more}")
    click.echo(f"merged model in {out}, picture in {out / 'figure.png'}")
