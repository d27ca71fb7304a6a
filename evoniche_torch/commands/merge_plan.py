"""What a merge will take, before it is begun."""

from __future__ import annotations

from evoniche import Chromosomes
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
    dtype: str | None = None,
) -> str:
    """The plan as text: models, cases, memory, disk and time.

    Args:
        run: What was set up.
        trial: The first seed, scored.
        chromosomes: Groups of parameters; all in one when None.
        evaluations: How many models will be scored.
        warmup: How many of them are random merges of seeds.
        population: Members.
        split_point: Whether crossover splits.
        dtype: Of the merged model; that of the first when None.
    """
    index, seeds = run.seeds.index, run.seeds
    count = 1 if chromosomes is None else chromosomes.count
    stretches = 1 if chromosomes is None else len(chromosomes.labels)
    new = count * evaluations if split_point else 0  # a child has its parents' cuts, and a new one in each chromosome
    segments = min(stretches + new, index.size)
    recipes = population * segments * (seeds.count + 1) * 8
    as_it_is = [(tensor.size, tensor.dtype) for tensor in index.copied]
    merged = [(tensor.size, OUTPUT_DTYPES[dtype] if dtype else tensor.dtype) for tensor in index.merged]
    disk = sum(numbers * kind.itemsize for numbers, kind in (*merged, *as_it_is))
    random = min(warmup, evaluations - seeds.count)
    bred = evaluations - seeds.count - random
    model = sum(tensor.numel() * tensor.element_size() for tensor in run.live.module.state_dict().values())
    each = trial.loading + trial.scoring
    lines = [
        ("models", ", ".join(seeds.labels) + (f"; task vectors over {seeds.base_label}" if seeds.base_label else "")),
        ("parameters", f"{index.size:,} in {len(index.merged)} tensors ({len(index.copied)} others are copied)"),
        ("chromosomes", "one of all parameters" if count == 1 else f"{count}, in {stretches} stretches of parameters"),
        ("cases", ", ".join(f"{name} {part.stop - part.start}" for name, part in run.training.slices.items())),
        ("evaluations", f"{evaluations}: {seeds.count} seeds, {random} random merges, {bred} by M2N2"),
        ("segments", f"at most {segments:,} in a recipe"),
        ("memory", f"{_size(model)} the live model, at most {_size(recipes)} the recipes of {population} members"),
        ("disk", f"{_size(disk)} the merged model"),
        ("time", f"{each:.2g} s an evaluation ({trial.loading:.2g} s loading, {trial.scoring:.2g} s scoring), "
                 f"{_duration(each * evaluations)} in all"),
    ]  # fmt: skip
    return "\n".join(f"{name:>12}  {text}" for name, text in lines)


def _size(number: float) -> str:
    """Bytes as a person reads them."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


def _duration(seconds: float) -> str:
    """Seconds as a person reads them."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
