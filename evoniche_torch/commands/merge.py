"""`evoniche merge`."""

from __future__ import annotations

import importlib.util
import traceback
from concurrent.futures import BrokenExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from evoniche import Chromosomes, Failures, Recipes, Result, StoreError, WorkerScorer, _log
from evoniche_torch.commands.merge_config import config_text
from evoniche_torch.commands.merge_options import SectionedCommand, merge_options
from evoniche_torch.commands.merge_output import describe_result, write_merge
from evoniche_torch.commands.merge_plan import describe_plan
from evoniche_torch.commands.merge_run import MergeRun, Trial
from evoniche_torch.commands.merge_setup import find_device, load_model, open_seeds, read_all_tasks
from evoniche_torch.commands.merge_store import MergeStore
from evoniche_torch.commands.merge_workers import MergeFactory, workers
from evoniche_torch.files import model_paths, split_adapter
from evoniche_torch.models import chromosomes
from evoniche_torch.output import (
    check_adapters,
    check_hub,
    check_output_folder,
    parse_size,
    push_to_hub,
)

__all__ = ["merge"]

_BROKEN = 5
"""After so many merges in a row whose scoring fails, it is the scorer that is broken."""
_SETTINGS = ("warmup", "split_point", "angle", "attraction", "alpha", "capacity", "relative_scores", "method", "seed")


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
        _merge(models, options, config_text(models, options, click.get_current_context().command.params))
    except (ValueError, ImportError, OSError, StoreError) as error:
        _log.debug("{}", traceback.format_exc())
        raise click.ClickException(str(error)) from error


def _merge(models: tuple[Path, ...], options: dict[str, Any], config: str) -> None:
    _check_options(models, options)
    kept = None if options["dry_run"] else MergeStore.of(options["store"], options["out"], options["accept"])
    if kept is not None:
        _check_output(models, options, kept)
    device = find_device(options["device"])
    tasks = read_all_tasks(options)
    if options["as_adapter"] and not options["base"]:
        options["base"] = split_adapter(models[0])[0]
    with open_seeds(models, options) as seeds, TemporaryDirectory(prefix="evoniche-") as folder:
        if options["as_adapter"]:
            check_adapters(seeds)
        groups = chromosomes(seeds.index, options["chromosomes"])
        model = load_model(seeds, options, device, Path(folder))
        if not options["dry_run"]:
            seeds.check_finite()  # reads the models for their dot products, which are needed in any case
        run = MergeRun(seeds, model, *tasks)
        trial = run.trial()
        if kept is None:
            names = ("evaluations", "warmup", "population", "split_point", "method", "dtype")
            plan = {name: options[name] for name in names}
            click.echo(describe_plan(run, trial, chromosomes=groups, workers=_workers(options), **plan))
            return
        result = _evolve(run, trial, groups, options, kept, Path(folder))
        with kept.named(result.evaluations):
            table = _table(run, result, kept)
            write_merge(run, result, table, options, config)
    if result.stopped != "interrupted":
        kept.finish()
    click.echo(describe_result(result, table, options["out"], kept.path))
    if options["push_to_hub"]:
        click.echo(f"uploaded to {push_to_hub(options['out'], options['push_to_hub'])}")


def _evolve(
    run: MergeRun, trial: Trial, groups: Chromosomes | None, options: dict[str, Any], kept: MergeStore, spare: Path
) -> Result:
    """Run the evolution, or what is left of it."""
    seeds = run.seeds
    if options["evaluations"] <= seeds.count + options["warmup"]:
        _log.warning("no more than the {} seeds and {} random merges of them are scored: give more --evaluations "
                     "or a smaller --warmup.", seeds.count, options["warmup"])  # fmt: skip
    by_case = options["reject_early"]
    if by_case and (why := run.training.why_not_by_case):
        raise ValueError(f"--reject-early needs tasks that can look at some cases without the others, but {why}.")
    devices = options["devices"].split(",") if options["devices"] else [find_device(options["device"])]
    count = _workers(options)
    evolution = run.evolution(
        chromosomes=groups,
        scorer=WorkerScorer(MergeFactory(seeds, options, spare)) if count else None,
        population_size=options["population"],
        **{name: options[name] for name in _SETTINGS},
    )
    kept.begin(evolution, run, trial.scores)
    how = {
        "store": kept.store,
        "reject_early": by_case,
        "failures": _failures(options),
        "progress": not options["quiet"],
    }
    try:
        with workers(run, count, devices) as more:
            result = evolution.run(total=options["evaluations"], **how, **more)
    except (ValueError, OSError, StoreError, BrokenExecutor) as error:
        died = "a merge was not scored, since " if isinstance(error, BrokenExecutor) else ""
        raise ValueError(f"{died}{error} Nothing was written; {evolution.evaluations} evaluations are in "
                         f"{kept.path}: the same command goes on from them.") from error  # fmt: skip
    return result


def _workers(options: dict[str, Any]) -> int:
    """How many workers there are; 0 where this process scores."""
    return options["workers"] or (len(options["devices"].split(",")) if options["devices"] else 0)


def _failures(options: dict[str, Any]) -> Failures | None:
    """What becomes of a merge whose scoring fails; None where nobody has asked for anything."""
    if not (options["retries"] or options["timeout"] or options["keep_going"]):
        return None
    then: Any = "give up" if options["keep_going"] else "stop"
    return Failures(options["retries"] + 1, options["timeout"], then=then, in_a_row=_BROKEN)


def _table(run: MergeRun, result: Result, kept: MergeStore) -> dict[str, dict[str, float]]:
    """The mean scores of the seeds and of the best merge."""
    assert result.best is not None
    known = kept.scores(run.seeds.count, result.evaluations)
    others = Recipes(run.seeds, list(Recipes.of_seeds(run.seeds))[len(known) :])
    rows = [*known, *run.scores(others), result.best.scores]
    return run.table(rows, result.best.genome[0])


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
    if options["reject_early"] and options["population"] < len(models):
        raise click.UsageError(f"--reject-early needs a --population of at least {len(models)}, the number of models, "
                               "which are scored in full.")
    if options["reject_early"] and (options["workers"] or options["devices"]):
        raise click.UsageError("--reject-early cannot have --workers or --devices: who is certain to leave depends on "
                               "the members of the moment.")
    if options["timeout"] and not (options["workers"] or options["devices"]):
        raise click.UsageError("--timeout needs --workers or --devices: a scorer in this process cannot be stopped.")
    for name in (options["devices"] or "cpu").split(","):
        find_device(name, "--devices")
    try:
        parse_size(options["shard_size"])
    except ValueError:
        raise click.UsageError(f"--shard-size must be such as 5GB or 500MB, got {options['shard_size']!r}.") from None


def _check_output(models: tuple[Path, ...], options: dict[str, Any], kept: MergeStore) -> None:
    """Refuse a folder that cannot be written, or that holds something else than the result of this very run."""
    out = options["out"]
    if out.resolve() in kept.path.resolve().parents:
        raise click.UsageError(f"--store {kept.path} must lie outside of --out {out}, which is made in the end.")
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError("the picture of a merge needs matplotlib: pip install 'evoniche[plot]'.")
    if options["push_to_hub"]:
        check_hub(options["push_to_hub"])
    base = [options["base"]] if options["base"] else []
    try:
        check_output_folder(out, overwrite=options["overwrite"], inputs=model_paths([*models, *base]))
    except FileExistsError:
        # A run that was killed when its folder was there already, and its store was not gone yet.
        if not (out / "recipe.json").is_file() or kept.told < options["evaluations"]:
            raise
