"""Niching methods as compositions of evoniche's parts: the few lines of each show what it is made of.

In a steady state, one child at a time joins the population and the least fit member leaves (M2N2's rule). A generation
replaces all members by as many children. Where a method has the option `selector`, it is "roulette" or "tournament",
and the default is that of the method's source. Methods that need a distance use the problem's `radius`.
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
    ComplementaryCrossover,
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
    SpeciesConservingReplacement,
    TournamentSelector,
    UniformMateSelector,
    UniformSelector,
)
from evoniche._validators import whole_number
from evoniche_baselines.method import method
from evoniche_baselines.problem import LARGEST, Problem

Rule = Literal["roulette", "tournament"]
Variation = Literal["own", "slerp"] | None
"""The crossover: the problem's own, SLERP of whole vectors, or none."""


# M2N2, and what it is when one part is exchanged.


@method("M2N2", needs=("cases",))
def m2n2(
    problem: Problem, seed: int, *, alpha: float = 1.0, mate_alpha: float = 1.0, crossover: Variation = "own"
) -> Evolution:
    """Let members compete for cases, and choose mates by attraction (Abrantes, Lange and Tang 2025).

    Args:
        problem: A problem with several cases.
        seed: Fixes the run.
        alpha: The strength of the competition (eq. 3): 0 for none, 1 for the paper's.
        mate_alpha: The same exponent in the attraction. The paper has none there (eq. 4), which is the default, 1; the
            authors' code uses `alpha` there too.
        crossover: "own" takes the problem's; "slerp" makes the paper's M2N2 without split point, and None the one
            without crossover.
    """
    mates = AttractionMateSelector(alpha=mate_alpha)
    return _competition(_with_crossover(problem, crossover), seed, mates, alpha)


@method("M2N2, mates at random", needs=("cases", "crossover"))
def random_mating(problem: Problem, seed: int) -> Evolution:
    """Run M2N2 with mates drawn uniformly."""
    return _competition(problem, seed, UniformMateSelector())


@method("M2N2, mates by fitness", needs=("cases", "crossover"))
def fitness_mating(problem: Problem, seed: int) -> Evolution:
    """Run M2N2 without attraction: mates are drawn as first parents are (Abrantes, Lange and Tang 2025)."""
    return _competition(problem, seed, IndependentMateSelector(RouletteSelector()))


@method("M2N2, max-union mates", needs=("cases", "crossover"))
def max_union(problem: Problem, seed: int) -> Evolution:
    """Run M2N2 with an attraction that leaves out what the cases are worth."""
    return _competition(problem, seed, MaxUnionMateSelector())


@method("M2N2, negative assortative mates", needs=("cases", "distance", "crossover"))
def negative_assortative(problem: Problem, seed: int, *, candidates: int = 5) -> Evolution:
    """Run M2N2 with the mate that differs most, of a few candidates (Fernandes and Rosa 2001)."""
    return _competition(problem, seed, NegativeAssortativeMateSelector(problem.genome, RouletteSelector(), candidates))


@method("M2N2, mates within a radius", needs=("cases", "distance", "crossover"))
def restricted_mating(problem: Problem, seed: int) -> Evolution:
    """Run M2N2 with mates within the radius of the first parent (Deb and Goldberg 1989)."""
    return _competition(problem, seed, RestrictedMateSelector(problem.genome, _radius(problem)))


@method("M2N2, lexicase mates", needs=("cases", "crossover"))
def lexicase_mating(problem: Problem, seed: int) -> Evolution:
    """Run M2N2 with mates chosen by lexicase on the cases that the first parent fails."""
    return _competition(problem, seed, LexicaseMateSelector())


# Genetic algorithms without niches.


@method("GA")
def ga(problem: Problem, seed: int, *, crossover: Variation = "own") -> Evolution:
    """Run the GA of the M2N2 paper: roulette by the sum of the scores, in a steady state."""
    mates = IndependentMateSelector(RouletteSelector())
    return _evolution(_with_crossover(problem, crossover), seed, sharing=RawSharing(), mates=mates)


@method("tournament GA")
def tournament(problem: Problem, seed: int, *, size: int = 2, elites: int = 0) -> Evolution:
    """Choose the parents of a generation by tournaments of `size` members (Goldberg and Deb 1991)."""
    return _generations(problem, seed, selector=TournamentSelector(size), elites=elites)


@method("(mu + lambda)")
def plus(problem: Problem, seed: int) -> Evolution:
    """Draw parents uniformly; the best of the members and of as many children survive (Schwefel 1981)."""
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
    """Let members share what a case can give (Smith, Forrest and Perelson 1993; McKay 2000)."""
    sharing = ImplicitSharing(alpha=alpha)
    return _generations(problem, seed, sharing=sharing, selector=_selector(selector, size))


@method("explicit sharing", needs=("distance",))
def explicit_sharing(
    problem: Problem, seed: int, *, alpha: float = 1.0, selector: Rule = "roulette", conserve: bool = False
) -> Evolution:
    """Let members share their fitness with those who are near (Goldberg and Richardson 1987).

    The source reports how members divide among the peaks, and keeps none of them for the next generation. So they stand
    around the peaks at the distance of a mutation; `conserve=true` keeps the best of each niche, for fine accuracies.
    """
    sharing = ExplicitSharing(problem.genome, _radius(problem), alpha)
    if conserve:
        return _species(problem, seed, sharing=sharing, selector=_selector(selector))
    return _generations(problem, seed, sharing=sharing, selector=_selector(selector))


@method("clearing", needs=("distance",))
def clearing(problem: Problem, seed: int, *, capacity: int = 1, selector: Rule = "roulette") -> Evolution:
    """Give fitness only to the `capacity` best of those who are near each other (Petrowski 1996).

    The winners of the niches go on to the next generation, as in the source, but not more than half of the population.
    """
    sharing = ClearingSharing(problem.genome, _radius(problem), capacity)
    return _species(problem, seed, sharing=sharing, selector=_selector(selector))


@method("speciation", needs=("distance",))
def speciation(problem: Problem, seed: int, *, selector: Rule = "roulette") -> Evolution:
    """Let members share their fitness with their species (Stanley and Miikkulainen 2002).

    The champion of each species goes on to the next generation, as in the source, where the species has more than five
    members; here it is so of all species, the best first, up to half of the population.
    """
    sharing = SpeciationSharing(problem.genome, _radius(problem))
    return _species(problem, seed, sharing=sharing, selector=_selector(selector))


@method("species-conserving GA", needs=("distance",))
def species_conserving(problem: Problem, seed: int, *, selector: Rule = "roulette") -> Evolution:
    """Keep the best of each species, without any sharing (Li, Balazs, Parks and Clarkson 2002)."""
    return _species(problem, seed, sharing=RawSharing(), selector=_selector(selector))


@method("antigen sampling", needs=("cases",))
def antigen(
    problem: Problem, seed: int, *, sample_size: int = 10, draws: int | None = None, selector: Rule = "roulette"
) -> Evolution:
    """Give each case to the best of a random sample of members (Smith, Forrest and Perelson 1993).

    With a `sample_size` as large as the population, the winner takes all. `draws` is the number of samples; see
    `AntigenSharing`.
    """
    if draws is not None:
        whole_number("draws", draws, 1, LARGEST)
    return _generations(problem, seed, sharing=AntigenSharing(sample_size, draws), selector=_selector(selector))


@method("novelty", needs=("cases",))
def novelty(problem: Problem, seed: int, *, neighbours: int = 15) -> Evolution:
    """Reward members whose scores differ from those of others, high or low (Lehman and Stanley 2011)."""
    return _generations(problem, seed, sharing=NoveltySharing("scores", neighbours), selector=TournamentSelector())


@method("adaptive weights", needs=("cases",))
def adaptive_weights(problem: Problem, seed: int, *, interval: int = 250, step: float = 1.0) -> Evolution:
    """Give more and more weight to the cases that the best member does not solve (Eiben and van der Hauw 1997)."""
    return _generations(problem, seed, sharing=AdaptiveSharing(interval, step), selector=TournamentSelector(), elites=1)


# Selection case by case, in generations.


@method("lexicase", needs=("cases",))
def lexicase(problem: Problem, seed: int) -> Evolution:
    """Choose each parent by the cases in a random order (Helmuth, Spector and Matheson 2015)."""
    return _generations(problem, seed, selector=LexicaseSelector())


@method("epsilon-lexicase", needs=("cases",))
def epsilon_lexicase(problem: Problem, seed: int, *, variant: str = "semi-dynamic") -> Evolution:
    """Choose by lexicase, where nearly as good counts as equal (La Cava, Spector and Danai 2016)."""
    return _generations(problem, seed, selector=EpsilonLexicaseSelector(variant=variant))  # type: ignore[arg-type]


@method("down-sampled lexicase", needs=("cases",))
def downsampled_lexicase(problem: Problem, seed: int, *, rate: float = 0.1) -> Evolution:
    """Choose by lexicase on a share of the cases, drawn anew in each generation (Hernandez et al. 2019).

    Unlike in the source, every child is scored on all cases, so that all methods have the same evaluations.
    """
    return _generations(problem, seed, selector=DownsampledLexicaseSelector(rate))


@method("DALex", needs=("cases",))
def dalex(problem: Problem, seed: int, *, std: float = 20.0) -> Evolution:
    """Choose the member with the best mean under random weights of the cases (Ni, Ding and Spector 2024)."""
    return _generations(problem, seed, selector=DalexSelector(std))


# Replacement of those who are similar.


@method("crowding", needs=("distance",))
def crowding(problem: Problem, seed: int, *, factor: int = 3) -> Evolution:
    """Let a child replace the most similar of `factor` members, a tenth of the population at a time (De Jong 1975)."""
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
    """Let every member breed once, and two complementary children compete with their parents (Mahfoud 1992)."""
    crossover = None if problem.crossover is None else ComplementaryCrossover(problem.crossover)
    return _evolution(
        attrs.evolve(problem, crossover=crossover),
        seed,
        sharing=RawSharing(),
        selector=ShuffleSelector(),
        mates=PairMateSelector(),
        replacement=DeterministicCrowdingReplacement(problem.genome),
        batch_size=problem.population_size,
    )


@method("restricted tournament", needs=("distance",))
def restricted_tournament(problem: Problem, seed: int, *, window: int | None = None) -> Evolution:
    """Let a child compete with the most similar of `window` random members, by default a fifth of all (Harik 1995)."""
    window = max(2, problem.population_size // 5) if window is None else window
    return _everybody_breeds(problem, seed, RestrictedTournamentReplacement(problem.genome, window))


@method("crowding DE", needs=("distance", "vector"))
def crowding_de(problem: Problem, seed: int, *, weight: float = 0.5, rate: float = 0.9) -> Evolution:
    """Run differential evolution in which a child competes with the most similar member of all (Thomsen 2004)."""
    de = attrs.evolve(problem, crossover=DifferentialCrossover(weight, rate), mutation=_inside(problem))
    return _everybody_breeds(de, seed, RestrictedTournamentReplacement(problem.genome, problem.population_size))


def _inside(problem: Problem) -> Callable[[Any, Any], Any] | None:
    """Put vectors that have left their bounds onto them."""
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
    """Compose M2N2 with these mates."""
    return _evolution(problem, seed, sharing=ImplicitSharing(alpha=alpha), mates=mates)


def _generations(
    problem: Problem,
    seed: int,
    *,
    sharing: Sharing | None = None,
    selector: Selector | None = None,
    elites: int = 0,
) -> Evolution:
    """Replace all members but the elites at once; mates are drawn as the first parents are."""
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


def _species(problem: Problem, seed: int, *, sharing: Sharing, selector: Selector) -> Evolution:
    """Replace all members by as many children, but for the best of each species."""
    return _evolution(
        problem,
        seed,
        sharing=sharing,
        selector=selector,
        mates=IndependentMateSelector(selector),
        replacement=SpeciesConservingReplacement(problem.genome, _radius(problem)),
        batch_size=problem.population_size,
    )


def _everybody_breeds(problem: Problem, seed: int, replacement: Replacement) -> Evolution:
    """Let every member be the first parent once in a generation, with a mate drawn uniformly."""
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
    """Compose M2N2 with the problem's own operators, and these parts in place of its own."""
    return Evolution(
        problem.genome,
        crossover=problem.crossover,
        mutation=problem.mutation,
        population_size=problem.population_size,
        initial=problem.initial,
        seed=seed,
        **parts,
    )
