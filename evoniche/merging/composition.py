"""M2N2 as the paper merges large models."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import ArrayLike

from evoniche._validators import whole_number
from evoniche.algorithms import m2n2, mosaic_parts, slerp_crossover
from evoniche.evolution import Evolution
from evoniche.evolution.parts import ScorerLike
from evoniche.functional import Angle, Capacity, Chromosomes
from evoniche.merging.recipe import Recipe
from evoniche.merging.recipe_genome import RecipeGenome
from evoniche.merging.seed_bank import SeedBank

__all__ = ["MOSAIC_SEGMENTS", "merge"]

MOSAIC_SEGMENTS = 256
"""The most segments of a recipe in a merge by "mosaic"."""


def merge(
    seeds: SeedBank,
    scorer: ScorerLike[Recipe] | None = None,
    *,
    warmup: int = 50,
    split_point: bool = True,
    angle: Angle = "whole",
    chromosomes: Chromosomes | None = None,
    attraction: bool = True,
    alpha: float = 1.0,
    capacity: Capacity = "max",
    relative_scores: bool = False,
    method: Literal["m2n2", "mosaic"] = "m2n2",
    population_size: int = 15,
    importance: ArrayLike | None = None,
    seed: int | None = None,
) -> Evolution[Recipe]:
    """M2N2 as the paper merges large models: the seeds, random merges among them, then M2N2 without mutation.

    Genomes are recipes over the seeds, so the population takes kilobytes whatever the size of the models. With
    `attraction=False, alpha=0` it is the paper's GA (Abrantes, Lange and Tang 2025, section 4.2).

    Args:
        seeds: The models to merge: `ArraySeeds`, or those of `evoniche_torch`.
        scorer: A `Scorer`, or a function of `Recipes` that returns scores (n, cases).
        warmup: Random merges of two seeds after the seeds themselves.
        split_point: False: SLERP of the whole vectors.
        angle: See `SplitSlerpCrossover`.
        chromosomes: Groups of parameters with a ratio and a split point of their own; all in one when None.
        attraction: False: mates are drawn as first parents are.
        alpha: Intensity of the competition; 0 is none.
        capacity: What a case can give; "max" serves graded and binary scores.
        relative_scores: Compete for what a member scores above the worst on each case.
        method: "m2n2" as published, or "mosaic": first parents with a high mean score, and mutation within the span of
            the seeds (`evoniche.mosaic`); recipes then have at most 256 segments.
        population_size: How many members live, >= 2.
        importance: How much each case counts; all the same when None. See `Evolution`.
        seed: Fixes every random number.

    Raises:
        ValueError: Wrong values, or chromosomes of another size than the seeds.

    >>> import numpy as np
    >>> from evoniche import ArraySeeds
    >>> seeds = ArraySeeds([np.array([3.0, 0.0]), np.array([0.0, 3.0])])
    >>> evolution = merge(seeds, lambda recipes: [seeds.materialise(recipe) > 1 for recipe in recipes], seed=0)
    >>> evolution.run(target=1.0, progress=False).best.score
    1.0
    """
    crossover: Any = slerp_crossover("slerp", split_point, angle, chromosomes)
    if chromosomes is not None and chromosomes.size != seeds.size:
        raise ValueError(f"chromosomes must be of the seeds' {seeds.size:,} parameters, got {chromosomes.size:,}.")
    if method not in ("m2n2", "mosaic"):
        raise ValueError(f"method must be 'm2n2' or 'mosaic', got {method!r}.")
    beyond: dict[str, Any] = mosaic_parts() if method == "mosaic" else {}
    return m2n2(
        scorer,
        genome=RecipeGenome(seeds, crossover, segments=MOSAIC_SEGMENTS if beyond else None),
        initial=seeds.count + whole_number("warmup", warmup, 0),
        crossover=crossover,
        attraction=attraction,
        alpha=alpha,
        capacity=capacity,
        relative_scores=relative_scores,
        **beyond,
        population_size=population_size,
        importance=importance,
        seed=seed,
    )
