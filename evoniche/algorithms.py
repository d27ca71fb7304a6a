"""The named algorithms: short compositions of the parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from numpy.random import Generator
from numpy.typing import ArrayLike

from evoniche import functional
from evoniche._validators import is_whole, whole_number
from evoniche.batches import Batch
from evoniche.crossovers import SlerpCrossover, SplitSlerpCrossover
from evoniche.evolution import Evolution
from evoniche.functional import Angle, Capacity, Chromosomes
from evoniche.mates import AttractionMateSelector, IndependentMateSelector
from evoniche.replacements import GenerationalReplacement, WorstReplacement
from evoniche.roles import Crossover, Genome, Mutation, Scorer, Selector
from evoniche.selectors import RouletteSelector
from evoniche.sharing import ImplicitSharing, RawSharing

__all__ = ["ga", "m2n2"]

ScorerLike = Scorer | Callable[[Batch], Any]
CrossoverLike = Crossover | Callable[[Any, Any, Generator], Any]
MutationLike = Mutation | Callable[[Any, Generator], Any]


def m2n2(
    scorer: ScorerLike | None = None,
    *,
    genome: Genome | None = None,
    initial: Batch | int | None = None,
    crossover: CrossoverLike | Literal["slerp"] | None = "slerp",
    split_point: bool = True,
    angle: Angle = "whole",
    chromosomes: Chromosomes | None = None,
    mutation: MutationLike | None = None,
    attraction: bool = True,
    alpha: float = 1.0,
    capacity: Capacity = "one",
    relative_scores: bool = False,
    eps: float = functional.EPS,
    population_size: int = 20,
    batch_size: int = 1,
    importance: ArrayLike | None = None,
    seed: int | None = None,
) -> Evolution:
    """Model Merging of Natural Niches: competition for cases, attraction, and a crossover with a free split point.

    First parents are drawn by shared fitness, mates by attraction; a child joins, and the member with the lowest
    shared fitness leaves (Abrantes, Lange and Tang 2025). Each ablation of the paper is an argument.

    Args:
        scorer: A `Scorer`, or a function of a batch that returns scores (n, cases).
        genome: The representation; needed unless `initial` is a batch.
        initial: A batch of genomes to begin with (the seed models), or how many random ones; a full population when
            None. A population that is not full yet grows child by child.
        crossover: Any crossover or function `f(a, b, rng)`; "slerp" is the paper's; None for mutation alone.
        split_point: False: SLERP of the whole vectors. Of the paper's crossover alone.
        angle: See `SplitSlerpCrossover`. Of the paper's crossover alone.
        chromosomes: Groups of numbers with a ratio and a split point of their own. Of the paper's crossover alone.
        mutation: Any mutation or function `f(genome, rng)`; None for none.
        attraction: False: mates are drawn as first parents are.
        alpha: Intensity of the competition; 0 is none.
        capacity: What a case can give: "one" (binary scores), "max" (graded ones), or one number for each case.
        relative_scores: Compete for what a member scores above the worst on each case.
        eps: Keeps the division by a load of zero defined.
        population_size: How many members live, >= 2.
        batch_size: Children of one step of `run`; the paper has 1.
        importance: How much each case counts; all the same when None. See `Evolution`.
        seed: Fixes every random number.

    Raises:
        ValueError: Wrong values, or `split_point`, `angle` or `chromosomes` beside a crossover that has none.
    """
    selector = RouletteSelector()
    return Evolution(
        genome,
        scorer,
        sharing=ImplicitSharing(alpha=alpha, capacity=capacity, relative=relative_scores, eps=eps),
        selector=selector,
        mates=(
            AttractionMateSelector(capacity=capacity, relative=relative_scores, eps=eps)
            if attraction
            else IndependentMateSelector(selector)
        ),
        crossover=_crossover(crossover, split_point, angle, chromosomes),
        mutation=mutation,
        replacement=WorstReplacement(),
        population_size=population_size,
        initial=initial,
        batch_size=batch_size,
        importance=importance,
        seed=seed,
    )


def ga(
    scorer: ScorerLike | None = None,
    *,
    genome: Genome | None = None,
    initial: Batch | int | None = None,
    crossover: CrossoverLike | Literal["slerp"] | None = "slerp",
    split_point: bool = True,
    angle: Angle = "whole",
    chromosomes: Chromosomes | None = None,
    mutation: MutationLike | None = None,
    selector: Selector | None = None,
    generational: bool = False,
    elites: int = 1,
    population_size: int = 20,
    importance: ArrayLike | None = None,
    seed: int | None = None,
) -> Evolution:
    """The plain genetic algorithm: no competition, and both parents drawn by the same rule.

    As it stands this is the paper's GA: roulette by the sum of the scores, one child at a time, and the worst leaves;
    it equals `m2n2(alpha=0, attraction=False)` (Abrantes, Lange and Tang 2025, section 4.1).

    Args:
        scorer: A `Scorer`, or a function of a batch that returns scores (n, cases).
        genome: The representation; needed unless `initial` is a batch.
        initial: A batch of genomes to begin with, or how many random ones; a full population when None.
        crossover: Any crossover or function `f(a, b, rng)`; "slerp" is the paper's; None for mutation alone.
        split_point: False: SLERP of the whole vectors. Of the paper's crossover alone.
        angle: See `SplitSlerpCrossover`. Of the paper's crossover alone.
        chromosomes: Groups of numbers with a ratio and a split point of their own. Of the paper's crossover alone.
        mutation: Any mutation or function `f(genome, rng)`; None for none.
        selector: The rule for both parents; roulette when None.
        generational: Replace all but the elites at once, by `population_size - elites` children.
        elites: How many of the fittest pass from one generation to the next.
        population_size: How many members live, >= 2.
        importance: How much each case counts; all the same when None. See `Evolution`.
        seed: Fixes every random number.

    Raises:
        ValueError: Wrong values, or `split_point`, `angle` or `chromosomes` beside a crossover that has none.
    """
    whole_number("population_size", population_size, 2)
    if not generational and elites != 1:
        raise ValueError(f"elites belong to generational=True, got elites={elites!r} without it.")
    if not (is_whole(elites) and 0 <= elites < population_size):
        raise ValueError(f"elites must be a whole number from 0 to population_size - 1, got {elites!r}.")
    selector = RouletteSelector() if selector is None else selector
    return Evolution(
        genome,
        scorer,
        sharing=RawSharing(),
        selector=selector,
        mates=IndependentMateSelector(selector),
        crossover=_crossover(crossover, split_point, angle, chromosomes),
        mutation=mutation,
        replacement=GenerationalReplacement(elites) if generational else WorstReplacement(),
        population_size=population_size,
        initial=initial,
        batch_size=population_size - elites if generational else 1,
        importance=importance,
        seed=seed,
    )


def _crossover(
    crossover: CrossoverLike | str | None, split_point: bool, angle: Angle, chromosomes: Chromosomes | None
) -> CrossoverLike | None:
    if crossover == "slerp" and split_point:
        return SplitSlerpCrossover(angle, chromosomes)
    if crossover == "slerp" and angle == "whole":
        return SlerpCrossover(chromosomes)
    if isinstance(crossover, str) and crossover != "slerp":
        raise ValueError(f"crossover must be 'slerp', a Crossover, f(a, b, rng) or None, got {crossover!r}.")
    if isinstance(crossover, str) or not split_point or angle != "whole" or chromosomes is not None:
        raise ValueError(
            "split_point and chromosomes belong to crossover='slerp', and angle to its split point: got "
            f"split_point={split_point!r}, angle={angle!r}, chromosomes={chromosomes!r} with crossover={crossover!r}."
        )
    return crossover
