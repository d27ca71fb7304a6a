"""`evoniche combine`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from evoniche.merging import Recipe
from evoniche_torch.models import CheckpointSeeds, ExplicitMerge, weighted_recipe
from evoniche_torch.output import Card, write_checkpoint

__all__ = ["combine"]

_BASED = ("task_arithmetic", "ties", "dare_ties", "dare_linear")
_DENSITY = {"ties": 0.2, "dare_ties": 0.5, "dare_linear": 0.5}


@click.command(context_settings={"show_default": True})
@click.argument("method", type=click.Choice(["linear", *_BASED]))
@click.argument("models", nargs=-1, required=True, metavar="MODEL MODEL...", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the model.")
@click.option("--base", type=click.Path(path_type=Path), help="What all were fine-tuned from; for all but linear.")
@click.option("--weight", "weights", multiple=True, type=float, help="The weight of a model; once for each, in their "
              "order. [default: all 1]")  # fmt: skip
@click.option("--normalize/--no-normalize", default=None, help="Divide by the sum of the weights. [default: for linear "
              "and ties]")  # fmt: skip
@click.option("--scale", default=1.0, help="The factor of what is added to the base (lambda).")
@click.option("--density", type=click.FloatRange(0, 1, min_open=True), help="The share of numbers that TIES and DARE "
              "keep. [default: 0.2 for ties, 0.5 for DARE]")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Fixes what DARE drops.")
@click.option("--like", type=click.IntRange(min=1), default=1, help="The number, from 1, of the model whose config and "
              "tokenizer the output gets.")  # fmt: skip
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), help="The dtype of the merged model.")
@click.option("--tokenizer", metavar="first|union|LABEL", help="One vocabulary for models whose vocabularies differ.")
@click.option("--component", help="The part of a diffusers pipeline to merge. [default: unet or transformer]")
@click.option("--variant", help="The variant of the files, such as fp16.")
@click.option("--ignore-config", "ignore", multiple=True, metavar="KEY", help="A key of config.json that may differ.")
@click.option("--mixed-dtypes", is_flag=True, help="Let models differ in the dtypes of their tensors.")
@click.option("--allow-torch-files", is_flag=True, help="Read .bin and .pt files too, with weights_only=True.")
@click.option("--overwrite", is_flag=True, help="Replace the model that is in --out.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def combine(method: str, models: tuple[Path, ...], **options: Any) -> None:
    """Merge models once, with given weights: nothing is searched for and nothing is scored.

    linear is a weighted mean of the models; task_arithmetic adds to the base what each model adds to it; ties and DARE
    do the same with task vectors that have lost most of their numbers.

    \b
    evoniche combine ties maths-7b agent-7b --base base-7b --density 0.2 --out merged
    """  # noqa: D301
    try:
        _combine(method, models, options)
    except (ValueError, ImportError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"merged model in {options['out']}")


def _combine(method: str, models: tuple[Path, ...], options: dict[str, Any]) -> None:
    if (method in _BASED) != (options["base"] is not None):
        raise click.UsageError(f"{method} {'needs' if method in _BASED else 'has no'} --base.")
    if method not in _DENSITY and options["density"] is not None:
        raise click.UsageError(f"--density is of TIES and DARE, not of {method}.")
    if options["like"] > len(models):
        raise click.UsageError(f"--like must be from 1 to {len(models)}, the number of models.")
    names = ("base", "component", "variant", "ignore", "mixed_dtypes", "tokenizer", "allow_torch_files")
    with CheckpointSeeds(models, progress=not options["quiet"], **{name: options[name] for name in names}) as seeds:
        write_checkpoint(
            _merge(method, seeds, options),
            seeds,
            options["out"],
            dtype=options["dtype"],
            like=options["like"] - 1,
            card=Card(title=options["out"].name, command=shlex.join(["evoniche", *sys.argv[1:]])),
            overwrite=options["overwrite"],
            progress=not options["quiet"],
        )


def _merge(method: str, seeds: CheckpointSeeds, options: dict[str, Any]) -> Recipe | ExplicitMerge:
    weights = options["weights"] or (1.0,) * seeds.count
    normalize = options["normalize"]
    if method in _DENSITY:
        density = options["density"] or _DENSITY[method]
        return ExplicitMerge(method, weights, density, options["scale"], normalize, options["seed"])  # type: ignore[arg-type]
    total = sum(weights) if (method == "linear" if normalize is None else normalize) else 1.0
    if not total:
        raise ValueError("the weights sum to 0, by which nothing can be divided: change them, or say --no-normalize.")
    return weighted_recipe(seeds, [weight / total for weight in weights], scale=options["scale"])
