"""Niches in pymoo's algorithms, and pymoo's operators in evoniche.

A problem reports the scores of its solutions on each case, `out["scores"]`, beside its objective; two arguments of `GA`
then add niches:

>>> from pymoo.algorithms.soo.nonconvex.ga import GA
>>> from pymoo.core.problem import Problem
>>> from pymoo.operators.crossover.ux import UX
>>> from pymoo.operators.mutation.bitflip import BitflipMutation
>>> from pymoo.operators.sampling.rnd import BinaryRandomSampling
>>> from pymoo.optimize import minimize
>>> clauses = np.random.default_rng(0).integers(20, size=(60, 3))
>>> class Satisfy(Problem):
...     def _evaluate(self, x, out, *args, **kwargs):
...         out["scores"] = (x[:, clauses] == clauses % 2).any(axis=2)  # (n, cases), higher is better
...         out["F"] = -out["scores"].mean(axis=1)
>>> algorithm = GA(50, BinaryRandomSampling(), AttractionSelection(), UX(), BitflipMutation(), SharingSurvival())
>>> float(minimize(Satisfy(n_var=20), algorithm, ("n_gen", 20), seed=0).F[0])
-1.0

In the other direction, pymoo's samplings, crossovers and mutations work in an evolution of evoniche:

>>> import evoniche
>>> from pymoo.operators.crossover.sbx import SBX
>>> from pymoo.operators.mutation.pm import PM
>>> cross, mutate = PymooCrossover(SBX(), bounds=(-1, 1)), PymooMutation(PM(), bounds=(-1, 1))
>>> genome = evoniche.RealGenome(5, bounds=(-1, 1))
>>> score = lambda x: np.exp(-((x - 0.3) ** 2))  # (n, 5): each number is a case
>>> evolution = evoniche.m2n2(score, genome=genome, crossover=cross, mutation=mutate, seed=0)
>>> evolution.run(1000, progress=False).best.score > 0.999
True
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche._validators import check_roles, genome_rows
from evoniche.adapters._survivors import survivors
from evoniche.arrays import fitted, is_floating, masked, to_numpy
from evoniche.batches import Batch
from evoniche.genomes import PermutationGenome, RealGenome
from evoniche.mates import AttractionMateSelector
from evoniche.population import NOBODY, Population
from evoniche.roles import Crossover, Genome, MateSelector, Mutation, Selector, Sharing
from evoniche.selectors import RouletteSelector
from evoniche.sharing import ImplicitSharing

try:
    import pymoo.core.crossover
    import pymoo.core.mutation
    import pymoo.core.population
    import pymoo.core.sampling
    import pymoo.core.selection
    import pymoo.core.survival
    import pymoo.util
    from pymoo.core.problem import Problem
except ImportError as error:
    raise ImportError("evoniche.adapters.pymoo needs pymoo: pip install 'evoniche[pymoo]'.") from error

__all__ = ["AttractionSelection", "PymooCrossover", "PymooGenome", "PymooMutation", "SharingSurvival"]

_NAME = attrgetter("__class__.__name__")
_ONE_AT_A_TIME = threading.RLock()  # held while a module of pymoo is changed for a moment


def _instance_of(kind: type) -> Any:
    """Make an attrs validator of objects of a pymoo class, which refuses the class itself."""

    def validate(instance: Any, attribute: Any, value: Any) -> None:
        if not isinstance(value, kind):
            given = f"the class {value.__name__}: {value.__name__}()" if isinstance(value, type) else repr(value)
            name = f"{type(instance).__name__}({attribute.name}=...)"
            raise TypeError(f"{name} must be a {kind.__name__} of pymoo, got {given}.")

    return validate


@final
class AttractionSelection(pymoo.core.selection.Selection):
    """Select parents as M2N2 does: the first by shared fitness, its mate by attraction (Abrantes 2025, section 3.3).

    A crossover of more than two parents gets the mate of the mate as the third, and so on. While at least two members
    are feasible, only feasible members breed. See the example at the top of this module.

    Args:
        selector: The selector of the first parents; `RouletteSelector` when None.
        mates: The mate selector; `AttractionMateSelector` when None.
        sharing: How scores become the fitness that both look at; `ImplicitSharing` when None.

    Raises:
        ValueError: (when it selects) Members have no scores, or scores that are not a row of numbers >= 0.
    """

    def __init__(
        self, selector: Selector | None = None, mates: MateSelector | None = None, sharing: Sharing | None = None
    ) -> None:
        super().__init__()
        check_roles(selector=(selector, Selector, None), mates=(mates, MateSelector, None))
        check_roles(sharing=(sharing, Sharing, None))
        self.selector = selector or RouletteSelector()
        self.mates = mates or AttractionMateSelector()
        self.sharing = sharing or ImplicitSharing()

    def _do(
        self, problem: Any, pop: Any, n_select: int, n_parents: int, *_: Any, random_state: Generator, **__: Any
    ) -> Any:
        """Select the positions of parents, shape (n_select, n_parents)."""
        breeders = np.arange(len(pop))
        if problem.has_constraints() and (feasible := pop.get("feas")).sum() > 1:
            breeders = np.flatnonzero(feasible)
        population = _population(pop[breeders], self.sharing, random_state)
        parents = [self.selector.select(population, n_select, rng=random_state)]
        while len(parents) < n_parents:
            parents.append(self.mates.mates(population, parents[-1], rng=random_state))
        return breeders[np.stack(parents, axis=1)]


@final
class SharingSurvival(pymoo.core.survival.Survival):
    """Remove the member with the lowest shared fitness, the oldest of equals, until the population fits.

    Fitness is shared anew after each removal (Abrantes 2025, section 3.1). So if two members alone solve the same
    cases, one of them stays. Feasible solutions survive before infeasible ones, and share fitness among themselves.

    A solution whose objective is NaN or infinite has crashed. It is removed at once, whatever its scores are, so it is
    never the result; the population may be smaller until new solutions take its place. If all solutions have crashed,
    all stay. See the example at the top of this module.

    Args:
        sharing: How scores become fitness; `ImplicitSharing` when None.
        keep_best: Whether the best member by F stays, whatever its fitness, since pymoo's result is the best member
            alive; for one objective only. False is M2N2 to the letter: the best may leave, and pymoo's
            `SingleObjectiveArchive` can keep it.

    Raises:
        ValueError: (when it removes members) Members have no scores, or scores that are not a row of numbers >= 0.
    """

    def __init__(self, sharing: Sharing | None = None, *, keep_best: bool = True) -> None:
        super().__init__(filter_infeasible=True)
        check_roles(sharing=(sharing, Sharing, None))
        self.sharing = sharing or ImplicitSharing()
        self.keep_best = keep_best

    def do(self, problem: Any, pop: Any, *args: Any, return_indices: bool = False, **kwargs: Any) -> Any:
        """Return the survivors, or their positions, without those that have crashed."""
        sound = np.flatnonzero(~_crashed(pop))
        sound = sound if len(sound) else np.arange(len(pop))
        kept = super().do(problem, pop[sound], *args, return_indices=return_indices, **kwargs)
        return sound[np.asarray(kept, dtype=np.intp)] if return_indices else kept

    def _do(self, problem: Any, pop: Any, *_: Any, n_survive: int, random_state: Generator, **__: Any) -> Any:
        """Return the survivors, the oldest first."""
        if self.keep_best and problem.n_obj != 1:
            raise ValueError(f"SharingSurvival(keep_best=True) needs one objective, got {problem.n_obj}: "
                             "keep_best=False looks at the scores alone.")
        population = _population(pop, self.sharing, random_state)
        best = int(pop.get("F")[:, 0].argmin()) if self.keep_best else NOBODY
        return pop[survivors(population, n_survive, protected=best)]


def _crashed(pop: Any) -> NDArray[np.bool_]:
    """Tell which solutions have an objective that is NaN or infinite, shape (n,)."""
    crashed: NDArray[np.bool_] = np.array([not np.isfinite(individual.F).all() for individual in pop], dtype=np.bool_)
    return crashed


def _scores(pop: Any) -> list[Any]:
    """Return the rows of scores that the problem gave; zeros for crashed solutions without proper scores."""
    rows = list(pop.get("scores", to_numpy=False))
    if masked(rows) is not None:
        raise ValueError('out["scores"] must not be masked: give every solution a score on every case.')
    crashed = _crashed(pop)
    if crashed.any():
        length = next((len(row) for row in rows if row is not None and np.ndim(row) == 1), 0)
        for i in np.flatnonzero(crashed) if length else ():
            if rows[i] is None or not np.isfinite(rows[i]).all():
                rows[i] = np.zeros(length)
    return rows


def _population(pop: Any, sharing: Sharing, random_state: Generator) -> Population:
    """Turn pymoo's population into one of evoniche; the ids of members are their positions, the oldest first."""
    rows = _scores(pop)
    kinds = sorted({"none" if row is None else f"shape {np.shape(row)}" for row in rows})
    if len(kinds) > 1 or np.ndim(rows[0]) != 1:
        raise ValueError('out["scores"], which _evaluate sets beside out["F"], must be a row for each solution, of one '
                         f"number for each case (one case alone is scores[:, None]), got {' and '.join(kinds)}.")
    scores = np.array(rows)
    if all(((some == 0) | (some == 1)).all() for some in (scores[0], scores)):  # one row tells most of the time
        scores = scores.astype(bool)  # pymoo makes float64 of booleans; ours keep them in half of that
    elif scores.dtype.kind in "fiu" and scores.size and not (scores.min() >= 0 and scores.max() < np.inf):
        i, case = np.argwhere(~(np.isfinite(scores) & (scores >= 0)))[0]
        raise ValueError(f'out["scores"] must be finite and >= 0, got {scores[i, case]} for solution {i}, case {case}: '
                         "turn errors into scores, 1 / (1 + error) for example.")
    population = Population.of(scores, genomes=pop.get("X"), sharing=sharing)
    population.seed = int(random_state.integers(2**63))  # for a sharing that draws
    return population


def _check_bounds(instance: Any, _: Any, bounds: Any) -> None:
    """An attrs validator: (low, high), or None."""
    try:
        low, high = (0, 1) if bounds is None else (np.asarray(bound, dtype=np.float64) for bound in bounds)
        good = bool(np.all(low <= high)) and (bounds is None or instance.problem is None)
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(f"{type(instance).__name__}(bounds=...) must be (low, high), each a number or one for each "
                         f"gene, low <= high, and not beside problem=..., got {bounds!r}.")


@final
@attrs.frozen(eq=False)
class PymooCrossover(Crossover):
    """Use a crossover of pymoo; n pairs take one call, and each child is the first that pymoo makes of its pair.

    pymoo's `prob` applies: with probability 1 - prob, the child is a copy of a parent. A crossover of more than two
    parents also uses parents of the next pairs in the batch; a batch of one pair has only its own two.

    Args:
        crossover: A pymoo `Crossover`, such as `SBX()`, `OrderCrossover()` or `DEX()`.
        problem: A pymoo `Problem`, for a crossover that needs more of it than bounds, such as `vars`.
        bounds: (low, high), each one number or one for each gene. SBX needs them; others keep children inside.

    >>> from pymoo.operators.crossover.ux import UX
    >>> children = PymooCrossover(UX()).cross(np.zeros((4, 3)), np.ones((4, 3)), rng=np.random.default_rng(0))
    >>> children.shape
    (4, 3)
    """

    crossover: Any = attrs.field(validator=_instance_of(pymoo.core.crossover.Crossover), repr=_NAME)
    problem: Problem | None = attrs.field(default=None, kw_only=True, repr=False)
    bounds: tuple[Any, Any] | None = attrs.field(default=None, kw_only=True, validator=_check_bounds)

    def cross(self, a: Batch, b: Batch, *, rng: Generator) -> Batch:
        """Cross arrays of shape (n, length); the children have the parents' dtype.

        Raises:
            ValueError: The genomes are not arrays (n, length) of one shape, bounds are missing, or the crossover made
                fractions of integers.
        """
        genome_rows(self, a, b)
        n = len(a)
        everybody = np.stack([to_numpy(a), to_numpy(b)], axis=1).reshape(2 * n, -1)  # pair after pair
        families = (2 * np.arange(n)[:, None] + np.arange(self.crossover.n_parents)) % (2 * n)
        parents = pymoo.core.population.Population.new("X", everybody)[families]
        return _apply(self, self.crossover, parents, a, rng)[:n]  # all first children come first


@final
@attrs.frozen(eq=False)
class PymooMutation(Mutation):
    """Use a mutation of pymoo; n genomes take one call, and pymoo's `prob` and `prob_var` apply.

    Args:
        mutation: A pymoo `Mutation`, such as `PM()`, `BitflipMutation()` or `InversionMutation()`.
        problem: A pymoo `Problem`, for a mutation that needs more of it than bounds, such as `vars`.
        bounds: (low, high), each one number or one for each gene. PM and GaussianMutation need them.

    >>> from pymoo.operators.mutation.inversion import InversionMutation
    >>> mutants = PymooMutation(InversionMutation()).mutate(np.arange(6)[None], rng=np.random.default_rng(0))
    >>> sorted(mutants[0].tolist())
    [0, 1, 2, 3, 4, 5]
    """

    mutation: Any = attrs.field(validator=_instance_of(pymoo.core.mutation.Mutation), repr=_NAME)
    problem: Problem | None = attrs.field(default=None, kw_only=True, repr=False)
    bounds: tuple[Any, Any] | None = attrs.field(default=None, kw_only=True, validator=_check_bounds)

    def mutate(self, genomes: Batch, *, rng: Generator) -> Batch:
        """Mutate an array of shape (n, length); the mutants have its dtype.

        Raises:
            ValueError: The genomes are not an array (n, length), bounds are missing, or the mutation made fractions
                of integers.
        """
        genome_rows(self, genomes)
        return _apply(self, self.mutation, pymoo.core.population.Population.new("X", to_numpy(genomes)), genomes, rng)


@final
@attrs.frozen(eq=False)
class PymooGenome(Genome):
    """Represent solutions as a sampling of pymoo makes them for a problem: arrays (n, n_var) of the sampling's dtype.

    Args:
        sampling: A pymoo `Sampling`, such as `LHS()` or `PermutationRandomSampling()`.
        problem: A pymoo `Problem`, which gives the number of variables and their bounds.

    >>> from pymoo.operators.sampling.rnd import PermutationRandomSampling
    >>> orders = PymooGenome(PermutationRandomSampling(), Problem(n_var=4))
    >>> np.sort(orders.sample(2, rng=np.random.default_rng(0)), axis=1).tolist()
    [[0, 1, 2, 3], [0, 1, 2, 3]]
    """

    sampling: Any = attrs.field(validator=_instance_of(pymoo.core.sampling.Sampling), repr=_NAME)
    problem: Problem = attrs.field(validator=_instance_of(Problem), repr=False)

    def sample(self, n: int, *, rng: Generator) -> Batch:
        """Draw n genomes, shape (n, n_var)."""
        return _apply(self, self.sampling, n, None, rng)

    def distance(self, a: Batch, b: Batch) -> NDArray[np.floating]:
        """Measure the Euclidean distance of floats, or count the genes that differ; shape (len(a), len(b))."""
        measure = RealGenome if np.asarray(a).dtype.kind == "f" else PermutationGenome
        return measure(self.problem.n_var).distance(a, b)

    def pack(self, batch: Batch) -> Mapping[str, NDArray[np.generic]]:
        """Return the batch as one array named "genomes"; a NotImplementedError for object dtype."""
        if batch.dtype == object:
            raise NotImplementedError("PymooGenome cannot store variables of object dtype.")
        return {"genomes": batch}

    def unpack(self, arrays: Mapping[str, NDArray[np.generic]]) -> Batch:
        """Return the array named "genomes"."""
        return arrays["genomes"]


def _apply(asker: Any, operator: Any, to: Any, template: Batch | None, rng: Generator) -> Batch:
    """Apply pymoo's operator to parents, genomes or a number; return rows of the template's kind, if there is one."""
    problem = asker.problem
    if problem is None:
        low, high = (None, None) if asker.bounds is None else asker.bounds
        problem = Problem(n_var=template.shape[1], xl=low, xu=high)  # type: ignore[union-attr]
    if template is not None and problem.n_var != template.shape[1]:
        raise ValueError(f"{asker!r} is for genomes of length {problem.n_var}, got {template.shape[1]}.")
    try:
        with _seeded(rng):
            X: NDArray[Any] = operator(problem, to, random_state=rng).get("X")
    except TypeError as error:
        if problem.has_bounds():
            raise
        raise ValueError(f"{asker!r} failed, maybe for want of bounds=(low, high) or of a problem with xl and xu: "
                         f"{error}.") from error
    if template is not None and X.dtype.kind == "f" and not is_floating(template) and (np.trunc(X) != X).any():
        raise ValueError(f"{asker!r} made fractions of {template.dtype} genomes: give pymoo's operator vtype=float and "
                         "repair=RoundingRepair(), or begin with floats.")
    return X if template is None else fitted(_whole(X, template), template, repr(asker))


def _whole(X: NDArray[Any], template: Batch) -> NDArray[Any]:
    """Turn whole floats, which pymoo makes of integers, into integers if the genomes are not floats."""
    return X.astype(np.int64) if X.dtype.kind == "f" and not is_floating(template) else X


@contextmanager
def _seeded(rng: Generator) -> Iterator[None]:
    """Put rng in place of the unseeded generator with which GaussianMutation and DEX of pymoo 0.6.2 repair bounds."""
    random = SimpleNamespace(default_rng=lambda seed=None: rng if seed is None else np.random.default_rng(seed))
    with _ONE_AT_A_TIME:
        pymoo.util.np, numpy = SimpleNamespace(random=random), pymoo.util.np
        try:
            yield
        finally:
            pymoo.util.np = numpy
