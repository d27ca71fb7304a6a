"""Niches in DEAP programs, and DEAP's operators in evoniche.

A DEAP program gets niches by another base for its fitness, a score for each case, and another loop or selection:

>>> from deap import creator
>>> creator.create("AdapterFitness", CaseFitness)  # was: base.Fitness, weights=(1.0,)
>>> creator.create("AdapterIndividual", list, fitness=creator.AdapterFitness)
>>> toolbox = base.Toolbox()
>>> toolbox.register("individual", tools.initRepeat, creator.AdapterIndividual, lambda: random.randrange(2), 30)
>>> toolbox.register("evaluate", lambda individual: individual)  # was: their sum
>>> toolbox.register("mate", tools.cxTwoPoint)
>>> toolbox.register("mutate", tools.mutFlipBit, indpb=1 / 30)
>>> random.seed(1)
>>> population, logbook = ea_niche(  # was: algorithms.eaSimple(
...     tools.initRepeat(list, toolbox.individual, 50), toolbox, cxpb=0.9, mutpb=0.5, ngen=40, verbose=False)
>>> tools.selBest(population, 1)[0].fitness.mean
1.0

Like all of DEAP, these functions draw from the global `random`, so `random.seed` makes them reproducible. The operators
for evoniche draw from `rng` and leave the global generators as they were.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import check_roles, genome_rows, whole_number
from evoniche.adapters._survivors import survivors
from evoniche.batches import Batch, rows, stack
from evoniche.genomes import ObjectGenome
from evoniche.mates import AttractionMateSelector
from evoniche.population import Population
from evoniche.randomness import generator, kept_global_randomness
from evoniche.roles import Crossover, MateSelector, Mutation, Selector, Sharing
from evoniche.selectors import RouletteSelector
from evoniche.sharing import ImplicitSharing

try:
    from deap import algorithms, base, tools
except ImportError as error:
    raise ImportError("evoniche.adapters.deap needs DEAP: pip install 'evoniche[deap]'.") from error

__all__ = ["CaseFitness", "DeapCrossover", "DeapGenome", "DeapMutation", "ea_niche", "sel_attraction", "sel_shared",
           "sel_survivors"]


class CaseFitness(base.Fitness):
    """A fitness of many cases, ordered by their mean: <, >, == and `dominates`, so HallOfFame and selBest work.

    `values` takes any number of cases as a list, tuple or array, and gives an array. All are maximised; other weights
    are one for all cases or one for each, as DEAP's own selLexicase reads them: `weights=(1.0,) * cases`. For niches
    the weighted values must be >= 0: make scores of errors, such as 1 / (1 + error).

    >>> CaseFitness([1, 0, 1]) > CaseFitness([1, 0, 0]) > CaseFitness()
    True
    """

    weights = (1.0,)
    mean: float = -np.inf  # of the weighted values: what `tools.Statistics(lambda ind: ind.fitness.mean)` wants

    def _get(self) -> Any:
        return self.wvalues / np.asarray(self.weights, self.wvalues.dtype) if self.valid else ()

    def _set(self, values: Any) -> None:
        array, weights = np.asarray(values), np.asarray(self.weights)
        if array.ndim != 1 or not array.size or array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            given = f"shape {array.shape}" if array.ndim > 1 else repr(values)
            raise ValueError(f"fitness.values must be one finite number for each case, in one row, got {given}.")
        if weights.size not in (1, array.size):
            raise ValueError(f"fitness.values must be as many as the weights, {weights.size}, got {array.size}.")
        single = array.dtype == np.bool_ or array.dtype == np.float32
        self.wvalues = np.multiply(array, weights, dtype=np.float32 if single else np.float64, casting="same_kind")
        self.mean = float(self.wvalues.mean(dtype=np.float64))

    def _delete(self) -> None:
        self.wvalues, self.mean = (), -np.inf

    values = property(_get, _set, _delete, "One value for each case, shape (cases,); () while there are none.")

    def dominates(self, other: CaseFitness, obj: slice = slice(None)) -> bool:
        """Whether the mean is higher, over some of the cases if so asked."""
        return bool(np.mean(self.wvalues[obj]) > np.mean(other.wvalues[obj]))

    def __hash__(self) -> int:
        return hash(self.mean)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CaseFitness) and self.mean == other.mean

    def __lt__(self, other: CaseFitness) -> bool:
        return self.mean < other.mean

    def __le__(self, other: CaseFitness) -> bool:
        return self.mean <= other.mean

    def __deepcopy__(self, memo: dict[int, Any]) -> CaseFitness:
        copied = self.__class__()
        copied.wvalues, copied.mean = self.wvalues, self.mean
        return copied


def sel_attraction(
    individuals: Sequence[Any], k: int, *, sharing: Sharing | None = None, selector: Selector | None = None,
    mates: MateSelector | None = None, **pricing: Any,
) -> list[Any]:
    """M2N2's parents in mating pairs: first, mate, first, mate, ..., as `varAnd` and `eaSimple` mate them.

    First parents are drawn by shared fitness, mates by attraction (Abrantes 2025, eq. 3 and 4). What comes are
    references to k individuals, as from DEAP's selections.

    Args:
        individuals: Evaluated, with a `CaseFitness`.
        k: How many; of an odd number, the last is a first parent without a mate.
        sharing: How scores become fitness; `ImplicitSharing(**pricing)` when None.
        selector: Who breeds; `RouletteSelector()` when None.
        mates: With whom; when None, `AttractionMateSelector` with capacity, relative and eps as in implicit sharing.
        **pricing: `alpha`, `capacity`, `relative` and `eps` of `ImplicitSharing`

    Raises:
        ValueError: Nobody, no valid `CaseFitness`, negative scores, or different numbers of cases.
        TypeError: A part that does not play its role, or sharing beside pricing.
    """
    population, rng = _population(individuals, sharing, pricing)
    price = population.sharing if isinstance(population.sharing, ImplicitSharing) else ImplicitSharing()
    mates = mates or AttractionMateSelector(capacity=price.capacity, relative=price.relative, eps=price.eps)
    check_roles(selector=(selector, Selector, None), mates=(mates, MateSelector))
    first = (selector or RouletteSelector()).select(population, (whole_number("k", k, 1) + 1) // 2, rng=rng)
    pairs = np.stack([first, mates.mates(population, first, rng=rng)], axis=1)  # (pairs, 2)
    return [individuals[i] for i in pairs.ravel()[:k]]


def sel_shared(
    individuals: Sequence[Any], k: int, *, sharing: Sharing | None = None, selector: Selector | None = None,
    **pricing: Any,
) -> list[Any]:
    """Parents by shared fitness, with replacement; or by any selector of evoniche. See `sel_attraction`."""
    population, rng = _population(individuals, sharing, pricing)
    check_roles(selector=(selector, Selector, None))
    chosen = (selector or RouletteSelector()).select(population, whole_number("k", k, 1), rng=rng)
    return [individuals[i] for i in chosen]


def sel_survivors(individuals: Sequence[Any], k: int, *, sharing: Sharing | None = None, **pricing: Any) -> list[Any]:
    """The survivors of M2N2's competition: the least fit leaves and fitness is shared anew, until k are left.

    For `eaMuPlusLambda`; with one individual too many it is the paper's replacement. Of equals the first leaves, which
    is the oldest: parents come before children, and survivors keep their order. See `sel_attraction`.
    """
    population, _ = _population(individuals, sharing, pricing)
    return [individuals[i] for i in survivors(population, whole_number("k", k, 1))]


def ea_niche(
    population: list[Any], toolbox: base.Toolbox, cxpb: float, mutpb: float, ngen: int,
    stats: tools.Statistics | None = None, halloffame: tools.HallOfFame | None = None, verbose: bool = __debug__, *,
    lambda_: int | None = None, sharing: Sharing | None = None, selector: Selector | None = None,
    mates: MateSelector | None = None, **pricing: Any,
) -> tuple[list[Any], tools.Logbook]:
    """M2N2 in the manner of `eaSimple`: parents by `sel_attraction`, `varAnd`, survivors by `sel_survivors`.

    A generation is `lambda_` children (as many as the population when None), evaluated by one `toolbox.map`. They join,
    and the least fit leave one by one. `lambda_=1` is the steady state of the paper: the first child of a pair. A child
    that neither operator has touched is its parent again, and does not join. The toolbox needs `evaluate`, `mate` and
    `mutate`; the arguments are those of `eaSimple` and `sel_attraction`.

    Returns:
        The population, changed in place, and a logbook.
    """
    size = len(population)
    n = size if lambda_ is None else whole_number("lambda_", lambda_, 1)
    logbook = tools.Logbook()
    logbook.header = ["gen", "nevals", *(stats.fields if stats else [])]
    newcomers = population
    for gen in range(ngen + 1):
        if gen:
            parents = sel_attraction(population, n + n % 2, sharing=sharing, selector=selector, mates=mates, **pricing)
            newcomers = algorithms.varAnd(parents, toolbox, cxpb, mutpb)[:n]
        unknown = [individual for individual in newcomers if not individual.fitness.valid]
        for individual, values in zip(unknown, toolbox.map(toolbox.evaluate, unknown), strict=True):
            individual.fitness.values = values
        if halloffame is not None:
            halloffame.update(unknown if gen else population)
        if gen:
            population[:] = sel_survivors(population + unknown, size, sharing=sharing, **pricing)
        logbook.record(gen=gen, nevals=len(unknown), **(stats.compile(population) if stats else {}))
        if verbose:
            print(logbook.stream)
    return population, logbook


@attrs.frozen(init=False)
class _Operator:
    function: Callable[..., Any]
    options: Mapping[str, Any] = attrs.field(hash=False)

    def __init__(self, function: Callable[..., Any], /, **options: Any) -> None:
        self.__attrs_init__(function, options)

    def _vary(self, *batches: Batch, rng: Generator) -> Batch:
        if not isinstance(batches[0], list):
            genome_rows(self, *batches)
        # Lists of array rows, since DEAP swaps slices, and those of arrays are views.
        copies = [rows(batch) if isinstance(batch, list) else batch.tolist() for batch in batches]
        with _global_randomness(rng):
            made = [self.function(*parents, **self.options) for parents in zip(*copies, strict=True)]
        for individuals in made:
            if not isinstance(individuals, tuple | list) or len(individuals) != len(batches):
                raise ValueError(f"{self.function!r} must return as many individuals as it takes, a tuple of "
                                 f"{len(batches)}, got {individuals!r}.")
            if hasattr(individuals[0], "fitness"):
                del individuals[0].fitness.values
        return stack([individuals[0] for individuals in made], batches[0])


@final
@attrs.frozen(init=False)
class DeapCrossover(_Operator, Crossover):
    """Any `mate` of DEAP: `DeapCrossover(tools.cxBlend, alpha=0.5)`; the first of its two children is the child.

    Works on arrays (n, length), whose rows DEAP gets as lists, and on lists of what DEAP takes, such as GP trees.
    """

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross pair by pair."""
        return self._vary(a, b, rng=rng)


@final
@attrs.frozen(init=False)
class DeapMutation(_Operator, Mutation):
    """Any `mutate` of DEAP: `DeapMutation(tools.mutFlipBit, indpb=0.05)`; on the same genomes as `DeapCrossover`."""

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:
        """Mutate one by one."""
        return self._vary(genomes, rng=rng)


def DeapGenome(create: Callable[[], Any], **options: Any) -> ObjectGenome:
    """An `ObjectGenome`, with its options, of what a DEAP initialiser makes: `DeapGenome(toolbox.individual)`.

    GP trees are saved and loaded by `encode=str, decode=partial(gp.PrimitiveTree.from_string, pset=pset)`.
    """
    return ObjectGenome(partial(_create, create), **options)


def _create(create: Callable[[], Any], rng: Generator) -> Any:
    with _global_randomness(rng):
        return create()


def _population(individuals: Sequence[Any], sharing: Sharing | None, pricing: Mapping[str, Any]
                ) -> tuple[Population, Generator]:
    """The individuals, their positions as ids, and a generator that follows from `random`."""
    if sharing is not None and pricing:
        raise TypeError(f"give sharing=... or options of ImplicitSharing, not both: got {sharing!r} and {pricing!r}.")
    options = [field.name for field in attrs.fields(ImplicitSharing)]
    if unknown := sorted(pricing.keys() - options):
        raise TypeError(f"no such option: {unknown[0]}. Pricing has {', '.join(options)}; other rules of selection are "
                        "operators of evoniche, selector=TournamentSelector(3).")
    sharing = ImplicitSharing(**pricing) if sharing is None else sharing
    check_roles(sharing=(sharing, Sharing))
    population = Population.of(_scores(individuals), list(individuals), sharing)
    population.seed = random.getrandbits(63)
    return population, generator(population.seed)


def _scores(individuals: Sequence[Any]) -> NDArray[np.floating]:
    """Shape (members, cases)."""
    wvalues: list[NDArray[np.floating]] = []
    if not len(individuals):
        raise ValueError("individuals must hold at least one, got none.")
    for i, individual in enumerate(individuals):
        fitness = getattr(individual, "fitness", None)
        if not isinstance(fitness, CaseFitness) or not fitness.valid:
            raise ValueError("individuals must have a CaseFitness, creator.create('Fitness', CaseFitness), and be "
                             f"evaluated, fitness.values = evaluate(individual): got {fitness!r} at position {i}.")
        wvalues.append(fitness.wvalues)
        if len(wvalues[i]) != len(wvalues[0]):
            raise ValueError(f"individuals must have as many cases as the first, {len(wvalues[0])}, got "
                             f"{len(wvalues[i])} at position {i}.")
    if len(wvalues[0]) == 1:
        warnings.warn("individuals have one case, so there is nothing to share: evaluate should return a value for "
                      "each case, not their sum.", stacklevel=4)
    scores = np.concatenate(wvalues).reshape(len(wvalues), -1)
    if scores.min() < 0:
        i, case = np.argwhere(scores < 0)[0]
        raise ValueError(f"weighted values must be >= 0, got {scores[i, case]} at position {i}, case {case}: make "
                         "scores of errors, such as 1 / (1 + error).")
    return scores


@contextmanager
def _global_randomness(rng: Generator) -> Iterator[None]:
    """The global generators as they follow from rng; afterwards as they were."""
    with kept_global_randomness():
        random.seed(int(rng.integers(2**63)))
        np.random.seed(rng.integers(2**32))  # noqa: NPY002
        yield
