"""What the options of a merge name: the device, the tasks, the models, and the one model in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import torch

from evoniche_torch.commands.merge_options import parse_pairs
from evoniche_torch.commands.tasks import read_tasks
from evoniche_torch.models import CheckpointSeeds, PretrainedModel, fit_vocabulary, load_pretrained
from evoniche_torch.output import OUTPUT_DTYPES
from evoniche_torch.scorers import MultiTaskScorer

__all__ = ["find_device", "load_model", "open_seeds", "read_all_tasks"]


def find_device(name: str, option: str = "--device") -> str:
    """The name of a device that can be used."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = next(iter(str(error).splitlines()), "not there")
        raise click.UsageError(f"{option} {name} cannot be used: {reason}") from error
    return name


def read_all_tasks(options: Mapping[str, Any]) -> tuple[MultiTaskScorer, MultiTaskScorer | None]:
    """The tasks to compete for, and those that are held out."""
    harness = parse_pairs(options["harness"], "--lm-eval")
    weights = parse_pairs(options["weights"], "--weight", "NUMBER")
    for name, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise click.UsageError(f"--weight must be given as NAME=NUMBER, got {name}={weight}.")
    training = read_tasks(options["scorer"], options["tasks"], weights=weights, harness=harness)
    later = options["held_out"], options["held_out_tasks"]
    return training, read_tasks(*later, harness=harness) if any(later) else None


def open_seeds(models: tuple[Path, ...], options: Mapping[str, Any]) -> CheckpointSeeds:
    """The models, which are checked and kept open."""
    names = ("base", "component", "variant", "mixed_dtypes", "allow_torch_files", "check_finite")
    return CheckpointSeeds(
        models,
        ignore=options["ignore_config"],
        tokenizer=_tokenizer(options["tokenizer"], [*models, options["base"]]),
        cache=not options["no_cache"],
        progress=not options["quiet"],
        **{name: options[name] for name in names},
    )


def _tokenizer(name: str | None, models: Sequence[Path | None]) -> str | int | None:
    """The model whose path was given, as a number; anything else as it is."""
    return next((k for k, path in enumerate(models) if name and path and str(path) == str(Path(name))), name)


def load_model(seeds: CheckpointSeeds, options: Mapping[str, Any], device: str, spare: Path) -> PretrainedModel:
    """The model into which recipes are loaded, on a device, with the tokenizer of the merge in the spare folder."""
    model = load_pretrained(
        seeds.stored_folder,
        seeds.stored_index,
        device=device,
        dtype=OUTPUT_DTYPES.get(options["score_dtype"] or ""),
        trust_remote_code=options["trust_remote_code"],
        progress=not options["quiet"],
    )
    fit_vocabulary(model, seeds, spare)
    return model
