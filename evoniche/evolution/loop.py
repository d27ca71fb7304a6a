"""The loop that joins the roles: ask for children, tell their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Generic, Literal, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoniche._validators import whole_number
from evoniche.batches import Batch, G, conform, take
from evoniche.evolution import parts as kinds
from evoniche.evolution.breeding import breed, first_genomes
from evoniche.evolution.budget import Budget
from evoniche.evolution.failures import Failures
from evoniche.evolution.history import History, Result
from evoniche.evolution.ledger import Books, Ledger, better
from evoniche.evolution.parts import Parts
from evoniche.evolution.rehearsal import rehearse_on_genomes, rehearse_on_scores
from evoniche.evolution.rejection import Rejection
from evoniche.evolution.run import OneAtATime, Run, warn_of_nothing
from evoniche.evolution.storage import StoreLike, recording
from evoniche.evolution.workers import dispatcher
from evoniche.population import NOBODY, Individual, Offspring, Population
from evoniche.randomness import fresh_seed, generator
from evoniche.roles import Genome
from evoniche.scores import read_importance, read_scores

__all__ = ["Evolution"]

@final
class Evolution(Generic[G]):
    """An evolutionary algorithm, made of exchangeable parts: M2N2, unless you exchange some of them.

    `ask` gives children to score and `tell` takes their scores; several asks may be open, and tells come in any order.
    `run` is the loop over both. Each call is all or nothing: when one raises, whatever the reason, the evolution is as
    it was before. Threads may call, and wait for their turn.
    """

    def __init__(
        self,
        genome: Genome[G] | None = None,
        scorer: kinds.ScorerLike[G] | None = None,
        *,
        sharing: kinds.SharingLike | None = None,
        selector: kinds.SelectorLike | None = None,
        mates: kinds.MatesLike | None = None,
        crossover: kinds.CrossoverLike[G] | Literal["slerp"] | None = "slerp",
        mutation: kinds.MutationLike[G] | None = None,
        replacement: kinds.ReplacementLike | None = None,
        population_size: int = 20,
        initial: Batch | int | None = None,
        batch_size: int = 1,
        importance: ArrayLike | None = None,
        seed: int | None = None,
    ) -> None:
        """Join the parts.

        Args:
            genome: The representation; needed for random genomes, bounds and saving.
            scorer: A `Scorer` or a function of a batch; needed by `run`.
            sharing: How scores become fitness, or a function `f(population)`; `ImplicitSharing()` when None.
            selector: Who breeds, or a function `f(population, n, rng)`; `RouletteSelector()` when None.
            mates: With whom, or a function `f(population, first, rng)`; `AttractionMateSelector()` when None.
            crossover: A `Crossover`, or a function `f(a, b, rng)` on two genomes that returns one; "slerp" is
                `SplitSlerpCrossover()`, for vectors of floats; None for none.
            mutation: A `Mutation`, or a function `f(genome, rng)` on one genome; None for none.
            replacement: Who survives, or a function `f(population, offspring)`; `WorstReplacement()` when None.
            population_size: How many members live, >= 2.
            initial: Genomes to begin with, which are copied, or how many random ones; `population_size` when None.
            batch_size: Children of one step of `run`.
            importance: How much each case counts in means, and as a factor of its capacity; the same when None.
            seed: Fixes every random number; drawn from the operating system when None.

        Raises:
            ValueError: A size out of range, nothing to begin with, or initial genomes of different shapes.
            TypeError: A part that does not play its role.
        """
        self.parts: Parts[G] = Parts.of(genome, scorer, sharing, selector, mates, crossover, mutation, replacement)
        self.population_size = whole_number("population_size", population_size, 2)
        self.batch_size = whole_number("batch_size", batch_size, 1)
        self.seed = fresh_seed() if seed is None else whole_number("seed", seed, 0)
        self.population = Population(self.population_size, self.parts.sharing, read_importance(importance), self.seed)
        self._initial = first_genomes(self.parts, initial, self.population_size, self.seed)
        self._books = Books(self.population)
        self._history = History()
        self._runs = OneAtATime()

    def __repr__(self) -> str:
        best = "nothing told yet" if self.best is None else f"best {self.best.score:.4g}"
        return f"Evolution({self.evaluations} evaluations, {self.population!r}, {best})"

    @property
    def evaluations(self) -> int:
        """Children told so far."""
        return self._books.ledger.evaluations

    @property
    def best(self) -> Individual[G] | None:
        """The best solution ever told, by its mean score over the cases; the population may have lost it."""
        return self._books.ledger.best

    @property
    def pending(self) -> Offspring | None:
        """The children that were asked for and not told yet; None when there are none."""
        return self._books.first()

    def ask(self, n: int | None = None) -> Offspring:
        """Make children to be scored.

        The initial genomes come first, never mixed with children, so the ask that ends them may return fewer than n.
        The first ask tries the operators on them: one that cannot work on them fails here, before any is scored.

        Args:
            n: How many; `batch_size` when None.

        Returns:
            At most n children: their genomes, ids and parents.

        Raises:
            ValueError: n < 1, or the initial genomes are all given out and none is told: there is nobody to breed.
        """
        n = self.batch_size if n is None else whole_number("n", n, 1)
        return self._books.at_once(lambda ledger: self._asked(ledger, n))

    def tell(self, children: Offspring | Sequence[int] | NDArray[np.int64], scores: ArrayLike) -> None:
        """Take the scores of children that were asked for, and let them compete.

        The first scores decide how many cases there are, and in which precision scores are kept (float32 for booleans).

        Args:
            children: What `ask` returned, some of it (`children.take([0, 2])`), or ids alone. Genomes are taken as
                they come, so a scorer that repairs or trains them may say so.
            scores: Shape (n, cases): finite, never negative, higher is better.

        Raises:
            ValueError: An id that cannot be told, wrong scores or genomes, or too many or no survivors.
        """
        self._books.at_once(lambda ledger: self._told(ledger, children, scores))

    def give_up(self, children: Offspring | Sequence[int] | NDArray[np.int64], *, count: bool = False) -> None:
        """Let go of children that cannot be scored: they never enter the population, as a zero would.

        Args:
            children: What `ask` returned, some of it, or ids alone.
            count: Whether each counts as an evaluation, because it was paid for.

        Raises:
            ValueError: An id that is unknown, told or given up already.
        """
        self._books.at_once(lambda ledger: self._given_up(ledger, children, count))

    def run(
        self,
        evaluations: int | None = None,
        *,
        total: int | None = None,
        scores: int | None = None,
        seconds: float | None = None,
        target: float | None = None,
        callbacks: Sequence[Callable[[Evolution[G]], object]] = (),
        metrics: Mapping[str, Callable[[Evolution[G]], float]] | None = None,
        record_every: int | None = None,
        coverage_threshold: float = 0.5,
        store: StoreLike | None = None,
        failures: Failures | None = None,
        workers: int | None = None,
        executor: Executor | None = None,
        ordered: bool | int = False,
        breed: Literal["here", "worker"] = "here",
        reject_early: bool | int = False,
        progress: bool = True,
    ) -> Result[G]:
        """Ask, score and tell until a budget is spent.

        Children that were asked for and never told come first, so a run that was stopped goes on with nothing lost.
        Ctrl-C ends the run between two tells and returns what is there.

        Args:
            evaluations: So many children more.
            total: So many children in all, those of earlier runs included.
            scores: So many scores more, a child on a case being one; the last child may go beyond.
            seconds: Time of this run.
            target: Score at which the best solution ever told is good enough.
            callbacks: Called with the evolution after every tell; a truthy answer stops the run.
            metrics: More scalars for the history: name -> function of the evolution.
            record_every: Evaluations from one record of the history to the next; `population_size` when None.
            coverage_threshold: From which score on a case counts as solved in the history's coverage and entropy.
            store: A file in which all of the run is kept, and from which the same script goes on (`Store`).
            failures: What becomes of a child whose scoring fails; it ends the run when None (docs/running.md).
            workers: Score so many batches at a time, in processes of this machine, or by the executor.
            executor: Anything with the interface of `concurrent.futures.Executor`.
            ordered: Tell in the order of asks, with so many open (as many as workers when True), not as they come back.
            breed: Where crossover and mutation are at work: here, or beside the scorer in the worker.
            reject_early: Stop scoring children that are certain to leave, block by block of cases (docs/rejection.md).
            progress: Show a bar on standard error.

        Returns:
            The result so far. When a scorer or callback raises, `result()` still has it.

        Raises:
            ValueError: No budget or scorer, scores that `tell` refuses, what cannot go together, or a column twice.
        """
        if self.parts.scorer is None:
            raise ValueError("run needs Evolution(scorer=...); without one, score the children of ask() yourself.")
        every = self.population_size if record_every is None else whole_number("record_every", record_every, 1)
        rejection = None if reject_early is False else Rejection(self, reject_early)
        with self._runs, recording(self, store):
            told, scored = self.evaluations, self._history.scored
            budget = Budget.of(told, evaluations, total, seconds, target, callbacks, scores, scored)
            how = dispatcher(self, failures, rejection, workers, executor, ordered, breed)
            run = Run(self, self._history, budget, callbacks, metrics or {}, every, coverage_threshold, rejection, how)
            stopped = run.go(lambda n: self._books.first(n) or self.ask(n), progress)
        if store is None and self.evaluations == told:
            warn_of_nothing(told, stopped)
        return self.result(stopped)

    def result(self, stopped: str = "") -> Result[G]:
        """What has been reached so far."""
        return self._books.look(lambda: Result.of(self, self._history, stopped))

    def _asked(self, ledger: Ledger, n: int) -> tuple[Ledger, Offspring]:
        rng = generator(self.seed, ledger.asks)
        if ledger.given < len(self._initial):
            if not ledger.given:
                rehearse_on_genomes(self.parts, self._initial, self.seed)
            stop = min(ledger.given + n, len(self._initial))
            genomes = take(self._initial, np.arange(ledger.given, stop))
            parents = np.full((stop - ledger.given, 2), NOBODY)
        elif len(self.population):
            genomes, parents = breed(self.parts, self.population, n, self._initial, rng=rng)
        else:
            raise ValueError("nobody to breed from: the initial genomes are all given out, tell scores of one first.")
        given = ledger.given + len(parents)
        ids = np.arange(ledger.given, given)
        children = Offspring(genomes, ids, parents, ledger.asks, self.seed, origin=self._books.origin)
        return Ledger(ledger.asks + 1, given, ledger.evaluations, ledger.best, opened=children), children

    def _told(self, ledger: Ledger, children: Any, scores: ArrayLike) -> tuple[Ledger, None]:
        children, ids = self._books.find(children, ledger)
        population = self.population
        genomes = conform(children.genomes, len(ids), self._initial, "the genomes told")
        before = population.scores if len(population) else None
        rows = read_scores(scores, ids, before)
        offspring = children.told(genomes, rows)
        if before is None:
            breeders = min(len(self._initial), population.limit)
            rehearse_on_scores(self.parts, offspring, population.importance, breeders)
        best = better(ledger.best, offspring, population.mean_scores(rows))
        change = population.begin()
        self.parts.replacement.replace(population, offspring)
        if not 0 < len(population) <= population.limit:
            raise ValueError(f"a replacement must leave from 1 to {population.limit} members, got {len(population)} "
                             f"from {self.parts.replacement!r}.")
        evaluations = ledger.evaluations + len(ids)
        return Ledger(ledger.asks, ledger.given, evaluations, best, None, tuple(ids), offspring, change), None

    def _given_up(self, ledger: Ledger, children: Any, count: bool) -> tuple[Ledger, None]:
        _, ids = self._books.find(children, ledger)
        evaluations = ledger.evaluations + count * len(ids)
        return Ledger(ledger.asks, ledger.given, evaluations, ledger.best, closed=tuple(ids)), None
