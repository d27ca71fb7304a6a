"""Describes what a merge will take, before it begins."""

from __future__ import annotations

from evoniche import Chromosomes
from evoniche.merging import MOSAIC_SEGMENTS
from evoniche_torch.commands.merge_run import MergeRun, Trial
from evoniche_torch.output import OUTPUT_DTYPES

__all__ = ["describe_plan"]


def describe_plan(
    run: MergeRun,
    trial: Trial,
    *,
    chromosomes: Chromosomes | None,
    evaluations: int,
    warmup: int,
    population: int,
    split_point: bool = True,
    method: str = "m2n2",
    dtype: str | None = None,
    workers: int = 0,
) -> str:
    """Describe a merge as text: its models, cases, memory, disk space and time.

    Args:
        run: The merge that was set up.
        trial: The scores of the first seed.
        chromosomes: Groups of parameters; all in one when None.
        evaluations: How many models will be scored.
        warmup: How many of them are random merges of seeds.
        population: How many members live.
        split_point: Whether crossover has a split point.
        method: "m2n2" or "mosaic", whose recipes are mutated and limited in their segments.
        dtype: The dtype of the merged model; that of the first seed when None.
        workers: How many score at a time, each with a model in memory; 0 where this process scores.
    """
    index, seeds = run.seeds.index, run.seeds
    count = 1 if chromosomes is None else chromosomes.count
    stretches = 1 if chromosomes is None else len(chromosomes.labels)
    new = count * evaluations if split_point else 0  # a child has its parents' cuts, and a new one in each chromosome
    segments = min(stretches + new, index.size)
    if method == "mosaic":  # a mutation cuts a child twice
        segments = min(stretches + new + 2 * evaluations, index.size, MOSAIC_SEGMENTS)
    recipes = population * segments * (seeds.count + 1) * 8
    as_it_is = [(tensor.size, tensor.dtype) for tensor in index.copied]
    merged = [(tensor.size, OUTPUT_DTYPES[dtype] if dtype else tensor.dtype) for tensor in index.merged]
    disk = sum(numbers * kind.itemsize for numbers, kind in (*merged, *as_it_is))
    random = min(warmup, evaluations - seeds.count)
    bred, breeder = evaluations - seeds.count - random, "M2N2" if method == "m2n2" else method
    model = sum(tensor.numel() * tensor.element_size() for tensor in run.model.module.state_dict().values())
    each = trial.loading + trial.scoring
    in_each = f" in each of {workers} workers" if workers else ""
    lines = [
        ("models", ", ".join(seeds.labels) + (f"; task vectors over {seeds.base_label}" if seeds.base_label else "")),
        ("parameters", f"{index.size:,} in {len(index.merged)} tensors ({len(index.copied)} others are copied)"),
        ("chromosomes", "one of all parameters" if count == 1 else f"{count}, in {stretches} stretches of parameters"),
        ("cases", ", ".join(f"{name} {part.stop - part.start}" for name, part in run.training.slices.items())),
        ("evaluations", f"{evaluations}: {seeds.count} seeds, {random} random merges, {bred} by {breeder}"),
        ("segments", f"at most {segments:,} in a recipe"),
        ("memory", f"{_size(model)} the model{in_each}, at most {_size(recipes)} the recipes of {population} members"),
        ("disk", f"{_size(disk)} the merged model"),
        ("time", f"{each:.2g} s an evaluation ({trial.loading:.2g} s loading, {trial.scoring:.2g} s scoring), "
                 f"{_duration(each * evaluations / max(1, workers))} in all"),
    ]  # fmt: skip
    return "\n".join(f"{name:>12}  {text}" for name, text in lines)


def _size(number: float) -> str:
    """A number of bytes with a unit."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


def _duration(seconds: float) -> str:
    """A time in seconds, minutes or hours.

    >>> _duration(119), _duration(160), _duration(7200)
    ('119 s', '3 min', '2.0 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
