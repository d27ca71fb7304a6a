"""Niching methods as compositions of evoniche's parts: what each is made of can be read off its few lines.

Steady state means one child at a time, after which the least fit leaves (M2N2's rule); a generation replaces all
members by as many children. `selector` is "roulette" or "tournament"; the default is as the method's source has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import attrs

from evoniche import (
    AdaptiveSharing,
    AntigenSharing,
    AttractionMateSelector,
    ClearingSharing,
    CrowdingReplacement,
    DalexSelector,
    DeterministicCrowdingReplacement,
    DifferentialCrossover,
    DownsampledLexicaseSelector,
    EpsilonLexicaseSelector,
    Evolution,
    ExplicitSharing,
    GenerationalReplacement,
    ImplicitSharing,
    IndependentMateSelector,
    LexicaseMateSelector,
    LexicaseSelector,
    MateSelector,
    MaxUnionMateSelector,
    NegativeAssortativeMateSelector,
    NoveltySharing,
    PairMateSelector,
    PlusReplacement,
    RawSharing,
    Replacement,
    RestrictedMateSelector,
    RestrictedTournamentReplacement,
    RouletteSelector,
    Selector,
    Sharing,
    ShuffleSelector,
    SlerpCrossover,
    SpeciationSharing,
    TournamentSelector,
    UniformMateSelector,
    UniformSelector,
)
from evoniche_baselines.method import method
from evoniche_baselines.problem import Problem

Rule = Literal["roulette", "tournament"]
Variation = Literal["own", "slerp"] | None
"""The problem's own crossover, SLERP of whole vectors, or none."""


# M2N2, and what it is when one part is exchanged.


@method("M2N2", needs=("cases",))
def m2n2(
    problem: Problem, seed: int, *, alpha: float = 1.0, mate_alpha: float = 1.0, crossover: Variation = "own"
) -> Evolution:
    """Competition for cases, and mates by attraction (Abrantes, Lange and Tang 2025).

    With `crossover="slerp"` it is the paper's M2N2 without split point, with None the one without crossover. `alpha` is
    that of sharing (eq. 3); the paper has none in attraction (eq. 4), the authors' code has the same `mate_alpha`.
    """
    mates = AttractionMateSelector(alpha=mate_alpha)
    return _competition(_with_crossover(problem, crossover), seed, mates, alpha)


@method("M2N2, mates at random", needs=("cases", "crossover"))
def random_mating(problem: Problem, seed: int) -> Evolution:
    """M2N2 with mates drawn uniformly."""
    return _competition(problem, seed, UniformMateSelector())


@method("M2N2, mates by fitness", needs=("cases", "crossover"))
def fitness_mating(problem: Problem, seed: int) -> Evolution:
    """M2N2 without attraction: mates are drawn as the first parents are (Abrantes, Lange and Tang 2025)."""
    return _competition(problem, seed, IndependentMateSelector(RouletteSelector()))


@method("M2N2, max-union mates", needs=("cases", "crossover"))
def max_union(problem: Problem, seed: int) -> Evolution:
    """M2N2 whose attraction leaves out what the cases are worth."""
    return _competition(problem, seed, MaxUnionMateSelector())


@method("M2N2, negative assortative mates", needs=("cases", "distance", "crossover"))
def negative_assortative(problem: Problem, seed: int, *, candidates: int = 5) -> Evolution:
    """M2N2 whose mates are the most different of a few candidates (Fernandes and Rosa 2001)."""
    return _competition(problem, seed, NegativeAssortativeMateSelector(problem.genome, RouletteSelector(), candidates))


@method("M2N2, mates within a radius", needs=("cases", "distance", "crossover"))
def restricted_mating(problem: Problem, seed: int) -> Evolution:
    """M2N2 whose mates are similar (Deb and Goldberg 1989)."""
    return _competition(problem, seed, RestrictedMateSelector(problem.genome, _radius(problem)))


@method("M2N2, lexicase mates", needs=("cases", "crossover"))
def lexicase_mating(problem: Problem, seed: int) -> Evolution:
    """M2N2 whose mates are chosen by lexicase on what the first parent fails."""
    return _competition(problem, seed, LexicaseMateSelector())


# Genetic algorithms without niches.


@method("GA")
def ga(problem: Problem, seed: int, *, crossover: Variation = "own") -> Evolution:
    """The GA of the M2N2 paper: roulette by the sum of the scores, steady state."""
    mates = IndependentMateSelector(RouletteSelector())
    return _evolution(_with_crossover(problem, crossover), seed, sharing=RawSharing(), mates=mates)


@method("tournament GA")
def tournament(problem: Problem, seed: int, *, size: int = 2, elites: int = 0) -> Evolution:
    """Generations by tournament (Goldberg and Deb 1991)."""
    return _generations(problem, seed, selector=TournamentSelector(size), elites=elites)


@method("(mu + lambda)")
def plus(problem: Problem, seed: int) -> Evolution:
    """Parents at random, and the best of parents and as many children survive (Schwefel 1981)."""
    return _evolution(
        problem,
        seed,
        sharing=RawSharing(),
        selector=UniformSelector(),
        mates=IndependentMateSelector(UniformSelector()),
        replacement=PlusReplacement(),
        batch_size=problem.population_size,
    )


# Sharing, in generations.


@method("implicit sharing", needs=("cases",))
def implicit_sharing(
    problem: Problem, seed: int, *, alpha: float = 1.0, selector: Rule = "roulette", size: int = 2
) -> Evolution:
    """Members share what a case can give (Smith, Forrest and Perelson 1993; McKay 2000)."""
    sharing = ImplicitSharing(alpha=alpha)
    return _generations(problem, seed, sharing=sharing, selector=_selector(selector, size))


@method("explicit sharing", needs=("distance",))
def explicit_sharing(problem: Problem, seed: int, *, alpha: float = 1.0, selector: Rule = "roulette") -> Evolution:
    """Members share with those who are near (Goldberg and Richardson 1987)."""
    sharing = ExplicitSharing(problem.genome, _radius(problem), alpha)
    return _generations(problem, seed, sharing=sharing, selector=_selector(selector))


@method("clearing", needs=("distance",))
def clearing(problem: Problem, seed: int, *, capacity: int = 1, selector: Rule = "roulette") -> Evolution:
    """Only the best of those who are near have any fitness (Petrowski 1996)."""
    sharing = ClearingSharing(problem.genome, _radius(problem), capacity)
    return _generations(problem, seed, sharing=sharing, selector=_selector(selector), elites=1)


@method("speciation", needs=("distance",))
def speciation(problem: Problem, seed: int, *, selector: Rule = "roulette") -> Evolution:
    """Members share with their species (Stanley and Miikkulainen 2002)."""
    sharing = SpeciationSharing(problem.genome, _radius(problem))
    return _generations(problem, seed, sharing=sharing, selector=_selector(selector))


@method("antigen sampling", needs=("cases",))
def antigen(
    problem: Problem, seed: int, *, sample_size: int = 10, draws: int | None = None, selector: Rule = "roulette"
) -> Evolution:
    """The best of a sample takes the case (Smith, Forrest and Perelson 1993); all of it with a large sample."""
    return _generations(problem, seed, sharing=AntigenSharing(sample_size, draws), selector=_selector(selector))


@method("novelty", needs=("cases",))
def novelty(problem: Problem, seed: int, *, neighbours: int = 15) -> Evolution:
    """Fit is whose scores differ from others' (Lehman and Stanley 2011), whether they are high or low."""
    return _generations(problem, seed, sharing=NoveltySharing("scores", neighbours), selector=TournamentSelector())


@method("adaptive weights", needs=("cases",))
def adaptive_weights(problem: Problem, seed: int, *, interval: int = 250, step: float = 1.0) -> Evolution:
    """Cases that the best does not solve weigh more and more (Eiben and van der Hauw 1997)."""
    return _generations(problem, seed, sharing=AdaptiveSharing(interval, step), selector=TournamentSelector(), elites=1)


# Selection case by case, in generations.


@method("lexicase", needs=("cases",))
def lexicase(problem: Problem, seed: int) -> Evolution:
    """The cases in a random order for each parent (Helmuth, Spector and Matheson 2015)."""
    return _generations(problem, seed, selector=LexicaseSelector())


@method("epsilon-lexicase", needs=("cases",))
def epsilon_lexicase(problem: Problem, seed: int, *, variant: str = "semi-dynamic") -> Evolution:
    """Lexicase where nearly as good is as good (La Cava, Spector and Danai 2016)."""
    return _generations(problem, seed, selector=EpsilonLexicaseSelector(variant=variant))  # type: ignore[arg-type]


@method("down-sampled lexicase", needs=("cases",))
def downsampled_lexicase(problem: Problem, seed: int, *, rate: float = 0.1) -> Evolution:
    """Lexicase on a share of the cases, other ones in each generation (Hernandez et al. 2019).

    Here every child is scored on all cases all the same, so that the evaluations of methods compare.
    """
    return _generations(problem, seed, selector=DownsampledLexicaseSelector(rate))


@method("DALex", needs=("cases",))
def dalex(problem: Problem, seed: int, *, std: float = 20.0) -> Evolution:
    """The best mean under random weights of the cases (Ni, Ding and Spector 2024)."""
    return _generations(problem, seed, selector=DalexSelector(std))


# Replacement of those who are similar.


@method("crowding", needs=("distance",))
def crowding(problem: Problem, seed: int, *, factor: int = 3) -> Evolution:
    """A child takes the place of the most similar of a few (De Jong 1975), a tenth of the members at a time."""
    return _evolution(
        problem,
        seed,
        sharing=RawSharing(),
        mates=IndependentMateSelector(RouletteSelector()),
        replacement=CrowdingReplacement(problem.genome, factor),
        batch_size=max(1, problem.population_size // 10),
    )


@method("deterministic crowding", needs=("distance",))
def deterministic_crowding(problem: Problem, seed: int) -> Evolution:
    """Everybody breeds once, and a child competes with the more similar parent (Mahfoud 1992)."""
    return _evolution(
        problem,
        seed,
        sharing=RawSharing(),
        selector=ShuffleSelector(),
        mates=PairMateSelector(),
        replacement=DeterministicCrowdingReplacement(problem.genome),
        batch_size=problem.population_size,
    )


@method("restricted tournament", needs=("distance",))
def restricted_tournament(problem: Problem, seed: int, *, window: int | None = None) -> Evolution:
    """Parents at random, and a child competes with the most similar of a window (Harik 1995)."""
    window = max(2, problem.population_size // 5) if window is None else window
    return _everybody_breeds(problem, seed, RestrictedTournamentReplacement(problem.genome, window))


@method("crowding DE", needs=("distance", "vector"))
def crowding_de(problem: Problem, seed: int, *, weight: float = 0.5, rate: float = 0.9) -> Evolution:
    """Differential evolution whose children compete with the most similar of all (Thomsen 2004)."""
    de = attrs.evolve(problem, crossover=DifferentialCrossover(weight, rate), mutation=_inside(problem))
    return _everybody_breeds(de, seed, RestrictedTournamentReplacement(problem.genome, problem.population_size))


def _inside(problem: Problem) -> Callable[[Any, Any], Any] | None:
    """Vectors that have left their bounds are put on them."""
    vector = problem.vector
    if vector is None or (vector.low is None and vector.high is None):
        return None
    return lambda genome, _: genome.clip(vector.low, vector.high)


def _radius(problem: Problem) -> float:
    assert problem.radius is not None, "the method needs it"
    return problem.radius


def _selector(rule: Rule, size: int = 2) -> Selector:
    selectors: dict[str, Selector] = {"roulette": RouletteSelector(), "tournament": TournamentSelector(size)}
    if rule not in selectors:
        raise ValueError(f"selector must be one of {', '.join(selectors)}, got {rule!r}.")
    return selectors[rule]


def _with_crossover(problem: Problem, rule: Variation) -> Problem:
    crossovers = {"own": problem.crossover, "slerp": SlerpCrossover(), None: None}
    if rule not in crossovers:
        raise ValueError(f"crossover must be one of own, slerp, none, got {rule!r}.")
    return attrs.evolve(problem, crossover=crossovers[rule])


def _competition(problem: Problem, seed: int, mates: MateSelector, alpha: float = 1.0) -> Evolution:
    """M2N2 with these mates."""
    return _evolution(problem, seed, sharing=ImplicitSharing(alpha=alpha), mates=mates)


def _generations(
    problem: Problem,
    seed: int,
    *,
    sharing: Sharing | None = None,
    selector: Selector | None = None,
    elites: int = 0,
) -> Evolution:
    """All members are replaced at once, but for the elites; mates are drawn as the first parents are."""
    if not 0 <= elites < problem.population_size:
        raise ValueError(f"elites must be from 0 to {problem.population_size - 1}, got {elites!r}.")
    selector = selector or RouletteSelector()
    return _evolution(
        problem,
        seed,
        sharing=sharing or RawSharing(),
        selector=selector,
        mates=IndependentMateSelector(selector),
        replacement=GenerationalReplacement(elites),
        batch_size=problem.population_size - elites,
    )


def _everybody_breeds(problem: Problem, seed: int, replacement: Replacement) -> Evolution:
    """Everybody is a first parent once in a generation, and takes a mate at random."""
    return _evolution(
        problem,
        seed,
        sharing=RawSharing(),
        selector=ShuffleSelector(),
        mates=UniformMateSelector(),
        replacement=replacement,
        batch_size=problem.population_size,
    )


def _evolution(problem: Problem, seed: int, **parts: Any) -> Evolution:
    """M2N2 with the problem's own variation, and these parts in the place of its own."""
    return Evolution(
        problem.genome,
        crossover=problem.crossover,
        mutation=problem.mutation,
        population_size=problem.population_size,
        initial=problem.initial,
        seed=seed,
        **parts,
    )
