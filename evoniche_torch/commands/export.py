"""`evoniche export`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from safetensors import safe_open

from evoniche_torch.files import model_paths
from evoniche_torch.models import CheckpointSeeds
from evoniche_torch.output import check_output_folder, read_recipe, rewrite_checkpoint

__all__ = ["export"]


@click.command()
@click.argument("recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the merged model."
)
@click.option(
    "--model",
    "models",
    multiple=True,
    type=click.Path(path_type=Path),
    help="The folder of a model now; once for each, in the order of the recipe. [default: the recorded paths, relative "
    "to the current folder]",
)
@click.option("--base", type=click.Path(path_type=Path), help="The folder of the base now.")
@click.option("--allow-torch-files", is_flag=True, help="Read .bin and .pt files too, with weights_only=True.")
@click.option("--overwrite", is_flag=True, help="Replace the model that is in --out.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def export(
    recipe: Path,
    out: Path,
    models: tuple[Path, ...],
    base: Path | None,
    allow_torch_files: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write the merged model of a RECIPE (recipe.json) again.

    The models must be those that the recipe was made of: their files are compared by SHA-256. So is what was written,
    which is the same byte by byte on the same kind of processor; where it is not, the command says so.
    """
    try:
        differing = _export(recipe, out, models, base, allow_torch_files, overwrite, not quiet)
    except (ValueError, ImportError, OSError) as error:
        hint = "" if models else " Where the models are now is said by --model, once for each, and --base."
        raise click.ClickException(f"{error}{hint if 'no such folder' in str(error) else ''}") from error
    if differing:
        click.echo(f"not the bytes that were written first: {', '.join(differing)}. Another kind of processor, or "
                   f"another version of torch, rounds otherwise.{_how_far(recipe.parent, out, differing)}", err=True)
    click.echo(f"merged model in {out}")


def _export(
    recipe: Path,
    out: Path,
    models: tuple[Path, ...],
    base: Path | None,
    torch_files: bool,
    overwrite: bool,
    progress: bool,
) -> list[str]:
    record = read_recipe(recipe)
    if record.kind == "memory":
        raise click.ClickException(f"{recipe} is of models in memory, which no file holds: it cannot be exported.")
    if models and len(models) != len(record.seeds):
        raise click.UsageError(f"--model must be given once for each of {len(record.seeds)} models "
                               f"({', '.join(seed.label for seed in record.seeds)}), got {len(models)}.")
    if base and not record.base:
        raise click.UsageError("--base is of recipes with a base, which this one has not.")
    places = models or tuple(Path(seed.path or "") for seed in record.seeds)
    of_base = base or (Path(record.base.path or "") if record.base else None)
    check_output_folder(out, overwrite=overwrite, inputs=model_paths([*places, *([of_base] if of_base else [])]))
    with CheckpointSeeds(
        places,
        base=of_base,
        component=record.component,
        variant=record.variant,
        mixed_dtypes=record.mixed_dtypes,
        ignore=record.ignore,
        tokenizer=record.tokenizer,
        allow_torch_files=torch_files,
        progress=progress,
    ) as seeds:
        return rewrite_checkpoint(record, seeds, out, overwrite=overwrite, progress=progress)


def _how_far(first: Path, again: Path, names: Sequence[str]) -> str:
    """Compare weights that were written first with those written again, where the first ones still lie there."""
    differ, numbers, apart = 0, 0, 0.0
    for name in (name for name in names if name.endswith(".safetensors")):
        if not (first / name).is_file():
            return ""
        with safe_open(first / name, "pt") as one, safe_open(again / name, "pt") as other:
            if set(one.keys()) != set(other.keys()):
                return ""
            for key in one.keys():  # noqa: SIM118  # no dict
                a, b = one.get_tensor(key).double(), other.get_tensor(key).double()
                if a.shape != b.shape:
                    return ""
                differ, numbers = differ + int((a != b).sum()), numbers + a.numel()
                apart = max(apart, float((a - b).abs().max())) if a.numel() else apart
    return f" {differ:,} of {numbers:,} numbers differ, by at most {apart:.2g}." if numbers else ""
