"""The library's own method, and its ingredients one by one."""

from __future__ import annotations

from typing import Any

from evoniche import ChainMutation, Evolution, GaussianMutation, RecipeMutation, SplitSlerpCrossover, mosaic
from evoniche.algorithms import m2n2
from evoniche_baselines.method import method
from evoniche_baselines.problem import Problem

__all__ = ["m2n2_plus"]


@method("M2N2 plus", needs=("cases", "crossover"))
def m2n2_plus(
    problem: Problem,
    seed: int,
    *,
    tournament: int = 3,
    alpha: float = 1.0,
    splits: float = 1,
    recipes: bool = True,
    least: float = 0.05,
    std: float = 1.0,
    shift: bool = True,
    scale: bool = True,
    noise: float | None = None,
) -> Evolution:
    """Run `evoniche.mosaic`: parents with a high mean score, and mutation among recipes where there are seeds.

    Without seeds, children mutate as the problem has it. With tournament=0 and recipes=false it is M2N2.

    Args:
        problem: A problem with several cases.
        seed: Fixes the run.
        tournament: The size of the tournaments for first parents; 0 for M2N2's rule.
        alpha: The strength of the competition.
        splits: The mean number of split points, from the Poisson distribution; 1 for the paper's one.
        recipes: Whether stretches move within the span of the seeds.
        least: The least step of recipes.
        std: The greatest step of recipes.
        shift: Whether stretches move along differences of seeds.
        scale: Whether stretches are scaled.
        noise: The standard deviation of normal noise on every number, in place of the problem's own mutation.
    """
    mutations: list[Any] = []
    if recipes and problem.seeds:
        moves: list[Any] = [move for move, wanted in (("shift", shift), ("scale", scale)) if wanted]
        mutations.append(RecipeMutation(problem.initial, std=(min(least, std), std), moves=moves))
    if noise is not None:
        mutations.append(GaussianMutation(noise))
    elif problem.mutation is not None:
        mutations.append(problem.mutation)
    crossover: Any = problem.crossover
    if splits != 1:
        crossover = SplitSlerpCrossover(splits=splits, count="poisson")
    parts: dict[str, Any] = {
        "genome": problem.genome,
        "initial": problem.initial,
        "alpha": alpha,
        "crossover": crossover,
        "mutation": ChainMutation(mutations) if mutations else None,
        "population_size": problem.population_size,
        "seed": seed,
    }
    return mosaic(tournament=tournament, **parts) if tournament else m2n2(**parts)
