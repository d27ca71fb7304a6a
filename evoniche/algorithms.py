"""The named algorithms: short compositions of the parts."""

from __future__ import annotations

from typing import Any, Literal

import attrs
from numpy.typing import ArrayLike

from evoniche._validators import is_whole, whole_number
from evoniche.batches import Batch, G
from evoniche.crossovers import SlerpCrossover, SplitSlerpCrossover
from evoniche.evolution import Evolution
from evoniche.evolution.parts import (
    CrossoverLike,
    MatesLike,
    MutationLike,
    ReplacementLike,
    ScorerLike,
    SelectorLike,
    SharingLike,
)
from evoniche.function_operators import as_selector
from evoniche.functional import Angle, Capacity, Chromosomes
from evoniche.functional.vectors import is_vectors
from evoniche.mates import AttractionMateSelector, IndependentMateSelector
from evoniche.mutations import RecipeMutation
from evoniche.replacements import GenerationalReplacement, WorstReplacement
from evoniche.roles import Genome
from evoniche.selectors import RouletteSelector, TournamentSelector
from evoniche.sharing import ImplicitSharing, RawSharing

__all__ = ["ga", "m2n2", "mosaic", "mosaic_parts", "slerp_crossover"]

def m2n2(
    scorer: ScorerLike[G] | None = None,
    *,
    genome: Genome[G] | None = None,
    initial: Batch | int | None = None,
    sharing: SharingLike | None = None,
    alpha: float | None = None,
    capacity: Capacity | None = None,
    relative_scores: bool | None = None,
    eps: float | None = None,
    selector: SelectorLike | None = None,
    mates: MatesLike | None = None,
    attraction: bool | None = None,
    crossover: CrossoverLike[G] | Literal["slerp"] | None = "slerp",
    split_point: bool | None = None,
    angle: Angle | None = None,
    chromosomes: Chromosomes | None = None,
    mutation: MutationLike[G] | None = None,
    replacement: ReplacementLike | None = None,
    population_size: int = 20,
    batch_size: int = 1,
    importance: ArrayLike | None = None,
    seed: int | None = None,
) -> Evolution[G]:
    """Model Merging of Natural Niches: competition for cases, attraction, and a crossover with a free split point.

    First parents are drawn by shared fitness, mates by attraction; a child joins, and the member with the lowest
    shared fitness leaves (Abrantes, Lange and Tang 2025). Each part can be exchanged by itself. The arguments after a
    part are shortcuts to settings of M2N2's own part, and exclude another: `alpha=0` stands for
    `sharing=ImplicitSharing(alpha=0)`.

    Args:
        scorer: A `Scorer`, or a function of a batch that returns scores (n, cases).
        genome: The representation; needed unless `initial` is a batch.
        initial: A batch of genomes to begin with (the seed models), or how many random ones; a full population when
            None. A population that is not full yet grows child by child.
        sharing: How scores become fitness; `ImplicitSharing` when None.
        alpha: Intensity of the competition; 0 is none, and 1 when None.
        capacity: What a case can give: "max", what its best member scores there, when None; see `ImplicitSharing`.
        relative_scores: Compete for what a member scores above the worst on each case.
        eps: Keeps the division by a load of zero defined.
        selector: The rule for first parents; `RouletteSelector` when None.
        mates: The rule for their mates; `AttractionMateSelector` when None.
        attraction: False: mates are drawn by the rule for first parents.
        crossover: Any crossover or function `f(a, b, rng)`; "slerp" is the paper's; None for mutation alone.
        split_point: False: SLERP of the whole vectors. Of the paper's crossover alone.
        angle: "whole" when None; see `SplitSlerpCrossover`. Of the paper's crossover alone.
        chromosomes: Groups of parameters with a ratio and a split point of their own. Of the paper's crossover alone.
        mutation: Any mutation or function `f(genome, rng)`; None for none.
        replacement: Who survives; `WorstReplacement` when None.
        population_size: How many members live, >= 2.
        batch_size: Children of one step of `run`; the paper has 1.
        importance: How much each case counts; all the same when None. See `Evolution`.
        seed: Fixes every random number.

    Raises:
        ValueError: Wrong values, or a part beside one of its shortcuts.

    >>> import evoniche
    >>> evolution = m2n2(
    ...     lambda genomes: genomes,
    ...     genome=evoniche.BinaryGenome(12),
    ...     crossover=evoniche.UniformCrossover(),
    ...     mutation=evoniche.BitFlipMutation(),
    ...     seed=0,
    ... )
    >>> evolution.run(2000, target=1.0, progress=False).best.score
    1.0
    """
    pricing = _given(relative=relative_scores, eps=eps)
    _exclusive("sharing", sharing, alpha=alpha, capacity=capacity, relative_scores=relative_scores, eps=eps)
    _exclusive("mates", mates, attraction=attraction)
    selector = RouletteSelector() if selector is None else as_selector(selector)
    if mates is None:
        mates = IndependentMateSelector(selector) if attraction is False else AttractionMateSelector()
    return Evolution(
        genome,
        scorer,
        sharing=ImplicitSharing(**_given(alpha=alpha, capacity=capacity), **pricing) if sharing is None else sharing,
        selector=selector,
        mates=mates,
        crossover=slerp_crossover(crossover, split_point, angle, chromosomes),
        mutation=mutation,
        replacement=replacement,
        population_size=population_size,
        initial=initial,
        batch_size=batch_size,
        importance=importance,
        seed=seed,
    )


def ga(
    scorer: ScorerLike[G] | None = None,
    *,
    genome: Genome[G] | None = None,
    initial: Batch | int | None = None,
    selector: SelectorLike | None = None,
    crossover: CrossoverLike[G] | Literal["slerp"] | None = "slerp",
    split_point: bool | None = None,
    angle: Angle | None = None,
    chromosomes: Chromosomes | None = None,
    mutation: MutationLike[G] | None = None,
    generational: bool = False,
    elites: int = 1,
    population_size: int = 20,
    importance: ArrayLike | None = None,
    seed: int | None = None,
) -> Evolution[G]:
    """The plain genetic algorithm: no competition, and both parents drawn by the same rule.

    As it stands this is the paper's GA: roulette by the sum of the scores, one child at a time, and the worst leaves;
    it equals `m2n2(alpha=0, attraction=False)`, with `capacity="one"` where scores are graded (Abrantes, Lange and Tang
    2025, section 4.1).

    Args:
        scorer: A `Scorer`, or a function of a batch that returns scores (n, cases).
        genome: The representation; needed unless `initial` is a batch.
        initial: A batch of genomes to begin with, or how many random ones; a full population when None.
        selector: The rule for both parents; `RouletteSelector` when None.
        crossover: Any crossover or function `f(a, b, rng)`; "slerp" is the paper's; None for mutation alone.
        split_point: False: SLERP of the whole vectors. Of the paper's crossover alone.
        angle: "whole" when None; see `SplitSlerpCrossover`. Of the paper's crossover alone.
        chromosomes: Groups of parameters with a ratio and a split point of their own. Of the paper's crossover alone.
        mutation: Any mutation or function `f(genome, rng)`; None for none.
        generational: Replace all but the elites at once, by `population_size - elites` children.
        elites: How many of the fittest pass from one generation to the next.
        population_size: How many members live, >= 2.
        importance: How much each case counts; all the same when None. See `Evolution`.
        seed: Fixes every random number.

    Raises:
        ValueError: Wrong values, or `split_point`, `angle` or `chromosomes` beside a crossover that has none.

    >>> import evoniche
    >>> evolution = ga(lambda genomes: genomes, genome=evoniche.BinaryGenome(12),
    ...                crossover=evoniche.KPointCrossover(2), mutation=evoniche.BitFlipMutation(), seed=0)
    >>> evolution.run(2000, target=1.0, progress=False).best.score
    1.0
    """
    whole_number("population_size", population_size, 2)
    if not generational and elites != 1:
        raise ValueError(f"elites belong to generational=True, got elites={elites!r} without it.")
    if not (is_whole(elites) and 0 <= elites < population_size):
        raise ValueError(f"elites must be a whole number from 0 to population_size - 1, got {elites!r}.")
    selector = RouletteSelector() if selector is None else as_selector(selector)
    return Evolution(
        genome,
        scorer,
        sharing=RawSharing(),
        selector=selector,
        mates=IndependentMateSelector(selector),
        crossover=slerp_crossover(crossover, split_point, angle, chromosomes),
        mutation=mutation,
        replacement=GenerationalReplacement(elites) if generational else WorstReplacement(),
        population_size=population_size,
        initial=initial,
        batch_size=population_size - elites if generational else 1,
        importance=importance,
        seed=seed,
    )


def mosaic(
    scorer: ScorerLike[G] | None = None,
    *,
    genome: Genome[G] | None = None,
    initial: Batch | int | None = None,
    tournament: int = 3,
    alpha: float | None = None,
    crossover: CrossoverLike[G] | Literal["slerp"] | None = "slerp",
    chromosomes: Chromosomes | None = None,
    mutation: MutationLike[G] | Literal["recipe"] | None = "recipe",
    population_size: int = 20,
    batch_size: int = 1,
    importance: ArrayLike | None = None,
    seed: int | None = None,
) -> Evolution[G]:
    """M2N2 with parents that solve much and mutation among recipes. An experiment, without a published study yet.

    Two parts of M2N2 are others. First parents win a tournament by their mean score, while shared fitness still decides
    who survives: specialists stay alive, and the best generalist looks for what it lacks among them, by attraction.
    And a child's stretches move within the span of the seeds (`RecipeMutation`), which no merge without mutation can do
    beyond the arcs between its parents. `evoniche compare digits:start=experts --methods m2n2,m2n2-plus` compares both.

    Args:
        scorer: A `Scorer`, or a function of a batch that returns scores (n, cases).
        genome: The representation; needed unless `initial` is a batch.
        initial: A batch of genomes to begin with (the seed models), or how many random ones.
        tournament: How many members, drawn uniformly, of which the one with the best mean score is a first parent; 1
            draws it uniformly.
        alpha: Intensity of the competition; 1 when None.
        crossover: As in `m2n2`.
        chromosomes: Groups of parameters with a ratio and a split point of their own. Of the paper's crossover alone.
        mutation: "recipe" moves stretches within the span of the initial genomes, which must be an array, or within
            that of the seeds of recipes. Otherwise any mutation, such as a `GaussianMutation` where evolution begins
            from random genomes, or None.
        population_size: How many members live, >= 2.
        batch_size: Children of one step of `run`.
        importance: How much each case counts; all the same when None. See `Evolution`.
        seed: Fixes every random number.

    Raises:
        ValueError: Wrong values, a part beside one of its shortcuts, or no seeds for mutation="recipe".

    >>> import numpy as np
    >>> experts = np.array([[3.0, 0, 0, 0], [0, 0, 0, 3.0]])
    >>> evolution = mosaic(lambda genomes: genomes > 1, initial=experts, seed=0)
    >>> evolution.run(300, progress=False).best.score
    0.5
    """
    beyond = mosaic_parts(tournament)
    chosen: Any = mutation
    if isinstance(mutation, str):
        chosen = attrs.evolve(beyond["mutation"], founders=_founders(mutation, genome, initial))
    return m2n2(
        scorer,
        genome=genome,
        initial=initial,
        alpha=alpha,
        selector=beyond["selector"],
        crossover=crossover,
        chromosomes=chromosomes,
        mutation=chosen,
        population_size=population_size,
        batch_size=batch_size,
        importance=importance,
        seed=seed,
    )


def mosaic_parts(tournament: int = 3) -> dict[str, Any]:
    """The parts in which `mosaic` differs from M2N2, for recipes."""
    return {"selector": TournamentSelector(tournament, by="score"), "mutation": RecipeMutation(std=(0.05, 1.0))}


def _founders(mutation: str, genome: Any, initial: Any) -> Any:
    """Find the seeds between which stretches move: the initial genomes, or None for recipes, which know them.

    Raises:
        ValueError: Another name than "recipe", or initial genomes that are no array of two rows or more.
    """
    if mutation != "recipe":
        raise ValueError(f"mutation must be 'recipe', a Mutation, f(genome, rng) or None, got {mutation!r}.")
    if hasattr(genome, "seeds") or is_vectors(initial):
        return None
    if initial is None or isinstance(initial, int) or len(initial) < 2:
        raise ValueError("mutation='recipe' needs two seed models or more, initial=array(...): give another mutation, "
                         f"such as GaussianMutation(std), to begin with random genomes; got initial={initial!r}.")
    return initial


def slerp_crossover(
    crossover: CrossoverLike[G] | Literal["slerp"] | None,
    split_point: bool | None,
    angle: Angle | None,
    chromosomes: Chromosomes | None,
) -> CrossoverLike[G] | None:
    """The paper's crossover with its settings, where it is asked for by name; any other as it is.

    Raises:
        ValueError: Settings beside another crossover, an angle without a split point, or another name than "slerp".
    """
    if not isinstance(crossover, str) or crossover != "slerp":
        _exclusive("crossover", crossover or "none", split_point=split_point, angle=angle, chromosomes=chromosomes)
        return crossover
    if split_point is None or split_point:
        return SplitSlerpCrossover("whole" if angle is None else angle, chromosomes)
    if angle not in (None, "whole"):
        raise ValueError(f"angle={angle!r} belongs to the two parts of a split point, got split_point={split_point!r}.")
    return SlerpCrossover(chromosomes)


def _given(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _exclusive(name: str, part: Any, **shortcuts: Any) -> None:
    """Check that a part and the shortcuts to its settings are not both given."""
    if part is not None and (given := _given(**shortcuts)):
        settings = ", ".join(f"{shortcut}={value!r}" for shortcut, value in given.items())
        raise ValueError(f"give {name}=... or its settings, not both: got {name}={part!r} beside {settings}.")
