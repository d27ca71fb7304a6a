"""The loop that joins the roles: ask for children, tell their scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from tqdm.auto import tqdm

from evoniche import _log
from evoniche._validators import check_roles, whole_number
from evoniche.batches import Batch, as_batch, conform, take
from evoniche.evolution.budget import Budget
from evoniche.evolution.history import History, Result, describe
from evoniche.evolution.interrupts import Interrupts
from evoniche.evolution.pending import Pending
from evoniche.function_operators import as_crossover, as_mutation, as_scorer
from evoniche.population import NOBODY, Individual, Offspring, Population
from evoniche.randomness import fresh_seed, generator
from evoniche.roles import Crossover, Genome, MateSelector, Mutation, Replacement, Scorer, Selector, Sharing
from evoniche.scores import read_importance, read_scores

__all__ = ["Evolution"]


@final
class Evolution:
    """An evolutionary algorithm, made of exchangeable parts.

    `ask` gives children to score, `tell` takes their scores; several asks may be open, and tells come in any order.
    `run` is the loop over both. `algorithms` has the named compositions.
    """

    def __init__(
        self,
        genome: Genome | None = None,
        scorer: Scorer | Callable[[Batch], Any] | None = None,
        *,
        sharing: Sharing,
        selector: Selector,
        mates: MateSelector,
        crossover: Crossover | Callable[[Any, Any, Generator], Any] | None,
        mutation: Mutation | Callable[[Any, Generator], Any] | None,
        replacement: Replacement,
        population_size: int,
        initial: Batch | int | None = None,
        batch_size: int = 1,
        importance: ArrayLike | None = None,
        seed: int | None = None,
    ) -> None:
        """Join the parts.

        Args:
            genome: The representation; needed for random genomes and for saving.
            scorer: A `Scorer` or a function of a batch; needed by `run`.
            sharing: How scores become fitness.
            selector: Who breeds.
            mates: With whom.
            crossover: A `Crossover`, or a function `f(a, b, rng)` on two genomes that returns one; None for none.
            mutation: A `Mutation`, or a function `f(genome, rng)` on one genome; None for none.
            replacement: Who survives.
            population_size: How many members live, >= 2.
            initial: A batch of genomes to begin with, or how many random ones; `population_size` when None.
            batch_size: Children of one step of `run`.
            importance: How much each case counts in means, and as a factor of its capacity; the same when None.
            seed: Fixes every random number; drawn from the operating system when None.

        Raises:
            ValueError: A size out of range, nothing to begin with, or initial genomes of different shapes.
            TypeError: A part that does not play its role.
        """
        check_roles(genome=(genome, Genome, None), sharing=(sharing, Sharing), selector=(selector, Selector))
        check_roles(mates=(mates, MateSelector), replacement=(replacement, Replacement))
        self.population_size = whole_number("population_size", population_size, 2)
        self.batch_size = whole_number("batch_size", batch_size, 1)
        self.seed = fresh_seed() if seed is None else whole_number("seed", seed, 0)
        self.genome = genome
        self.scorer = None if scorer is None else as_scorer(scorer)
        self.sharing = sharing
        self.selector = selector
        self.mates = mates
        self.crossover = None if crossover is None else as_crossover(crossover)
        self.mutation = None if mutation is None else as_mutation(mutation)
        self.replacement = replacement
        self.population = Population(self.population_size, sharing, read_importance(importance), self.seed)
        self.evaluations = 0
        self.best: Individual | None = None
        self._initial = self._first_genomes(initial)
        self._asks = 0
        self._seconds = 0.0
        self._pending = Pending()
        self._history = History()
        self._interrupts = Interrupts()

    def __repr__(self) -> str:
        best = "nothing told yet" if self.best is None else f"best {self.best.score:.4g}"
        return f"Evolution({self.evaluations} evaluations, {self.population!r}, {best})"

    def ask(self, n: int | None = None) -> Offspring:
        """Make children to be scored.

        The initial genomes come first. They are never mixed with children, so the ask that ends them may return fewer
        than n.

        Args:
            n: How many; `batch_size` when None.

        Returns:
            At most n children: their genomes, ids and parents.

        Raises:
            ValueError: n < 1, or the initial genomes are all given out and none is told: there is nobody to breed.
        """
        n = self.batch_size if n is None else whole_number("n", n, 1)
        rng = generator(self.seed, self._asks)
        given = self._pending.given
        if given < len(self._initial):
            stop = min(given + n, len(self._initial))
            genomes = take(self._initial, np.arange(given, stop))
            parents = np.full((stop - given, 2), NOBODY)
        elif len(self.population):
            genomes, parents = self._breed(n, rng)
        else:
            raise ValueError("nobody to breed from: the initial genomes are all given out, tell scores of one first.")
        children = Offspring(genomes, np.arange(given, given + len(parents)), parents, self._asks, self.seed)
        with self._interrupts:
            self._pending.add(children)
            self._asks += 1
        return children

    def tell(self, children: Offspring | Sequence[int] | NDArray[np.int64], scores: ArrayLike) -> None:
        """Take the scores of children that were asked for, and let them compete.

        When children or scores are refused, nothing has changed, and the children can be told again. The first scores
        decide how many cases there are, and in which precision scores are kept (float32 for booleans).

        Args:
            children: What `ask` returned, some of it (`children.take([0, 2])`), or ids alone. Genomes are taken as
                they come, so a scorer that repairs or trains them may say so.
            scores: Shape (n, cases): finite, never negative, higher is better.

        Raises:
            ValueError: An id that is unknown or told already, scores of the wrong shape, dtype or value, or genomes of
                another shape than the initial ones.
        """
        if not isinstance(children, Offspring):
            children = self._pending.children(children)
        ids = children.ids.tolist()
        if children.seed != self.seed:
            raise ValueError(f"these are children of another evolution, with seed {children.seed}.")
        self._pending.check(ids)
        genomes = conform(children.genomes, len(ids), self._initial, "the genomes told")
        before = self.population.scores if len(self.population) else None
        offspring = attrs.evolve(children, genomes=genomes, scores=read_scores(scores, ids, before))
        if before is None:
            self._rehearse(offspring)
        with self._interrupts:
            self._pending.close(ids)
            self._keep_best(offspring)
            self.replacement.replace(self.population, offspring)
            self.evaluations += len(ids)

    @property
    def pending(self) -> Offspring | None:
        """The children that were asked for and not told yet; None when there are none."""
        return self._pending.children() if self._pending else None

    def run(
        self,
        evaluations: int | None = None,
        *,
        seconds: float | None = None,
        target: float | None = None,
        callbacks: Sequence[Callable[[Evolution], object]] = (),
        metrics: Mapping[str, Callable[[Evolution], float]] | None = None,
        record_every: int | None = None,
        progress: bool = True,
    ) -> Result:
        """Ask, score and tell until a budget is spent.

        Children that were asked for and never told come first, so a run that was stopped goes on with nothing lost.
        Ctrl-C ends the run between two tells and returns what is there.

        Args:
            evaluations: Children told in all, those of earlier runs included.
            seconds: Time of this run.
            target: Mean score over the cases at which the best ever is good enough.
            callbacks: Called with the evolution after every tell; a truthy answer stops the run.
            metrics: More scalars for the history: name -> function of the evolution.
            record_every: Evaluations from one record of the history to the next; `population_size` when None.
            progress: Show a bar on standard error.

        Returns:
            The result so far. When a scorer or callback raises, `result()` still has it.

        Raises:
            ValueError: No budget at all, no scorer, or scores that `tell` refuses.
        """
        if callable(callbacks):
            raise ValueError(f"callbacks must be a list of functions, got one: [{callbacks!r}].")
        budget = Budget(evaluations, seconds, target)
        if evaluations is None and seconds is None and target is None and not callbacks:
            raise ValueError("run needs an end: evaluations, seconds, target, or a callback that stops it.")
        if self.scorer is None:
            raise ValueError("run needs Evolution(scorer=...); without one, score the children of ask() yourself.")
        every = self.population_size if record_every is None else whole_number("record_every", record_every, 1)
        record = partial(self._record, metrics or {})
        bar = tqdm(total=evaluations, initial=self.evaluations, disable=not progress, unit="eval", dynamic_ncols=True)
        with self._interrupts.handled(), bar:
            try:
                stopped = self._advance(self.scorer, budget, callbacks, record, every, bar)
                record(bar)
            except KeyboardInterrupt:
                stopped = "interrupted"
                bar.clear()
                _log.warning("interrupted after {} evaluations", self.evaluations)
                with suppress(KeyboardInterrupt):  # a second one does without the last record
                    record(bar)
        _log.info("stopped by {} after {} evaluations in {:.1f} s", stopped, self.evaluations, self._seconds)
        return self.result(stopped)

    def result(self, stopped: str = "") -> Result:
        """What has been reached so far."""
        return Result(self.best, self.population, self.evaluations, self._history.columns(), stopped)

    def _first_genomes(self, initial: Batch | int | None) -> Batch:
        if initial is None or isinstance(initial, int | np.integer):
            if self.genome is None:
                raise ValueError("nothing to begin with: give initial=... a batch of genomes, or genome=... to sample.")
            n = whole_number("initial", self.population_size if initial is None else initial, 1)
            return self.genome.sample(n, rng=generator(self.seed))
        batch = as_batch(initial)
        if not len(batch):
            raise ValueError("initial must hold at least one genome, got none.")
        return take(batch, range(len(batch)))  # a copy: it is given out later

    def _advance(
        self,
        scorer: Scorer,
        budget: Budget,
        callbacks: Sequence[Callable[[Evolution], object]],
        record: Callable[[tqdm], None],
        every: int,
        bar: tqdm,
    ) -> str:
        """Step until the budget is spent or a callback asks for an end; says which."""
        start = time.monotonic() - self._seconds
        while not (stopped := budget.spent(self.evaluations, self.best.score if self.best else -np.inf)):
            n = budget.step(self.evaluations, self.batch_size)
            children = self._pending.children(n=n) if self._pending else self.ask(n)
            self.tell(children, self._score(scorer, children))
            self._seconds = time.monotonic() - start
            bar.update(len(children))
            if self.evaluations >= self._history.last("evaluations", -every) + every:
                record(bar)
            # All are called, also after one has asked for an end.
            if sum(bool(callback(self)) for callback in callbacks):
                return "callback"
        return stopped

    def _breed(self, n: int, rng: Generator) -> tuple[Batch, NDArray[np.int64]]:
        population = self.population
        first = self.selector.select(population, n, rng=rng)
        genomes = take(population.genomes, first)
        parents = np.full((n, 2), NOBODY)
        parents[:, 0] = population.ids[first]
        if self.crossover is not None:
            mates = self.mates.mates(population, first, rng=rng)
            genomes = self.crossover.cross(genomes, take(population.genomes, mates), rng=rng)
            parents[:, 1] = population.ids[mates]
        if self.mutation is not None:
            genomes = self.mutation.mutate(genomes, rng=rng)
        return conform(genomes, n, self._initial, "what crossover and mutation make"), parents

    def _rehearse(self, offspring: Offspring) -> None:
        """Let what depends on the number of cases fail before anything is kept: a capacity of another length, say."""
        assert offspring.scores is not None
        trial = Population.of(offspring.scores, offspring.genomes, self.sharing, self.population.importance)
        first = self.selector.select(trial, 1, rng=generator(self.seed))
        self.mates.mates(trial, first, rng=generator(self.seed))

    def _keep_best(self, offspring: Offspring) -> None:
        assert offspring.scores is not None
        means = self.population.mean_scores(offspring.scores)
        top = int(means.argmax())
        if self.best is None or means[top] > self.best.score:
            newcomer = Population(1, importance=self.population.importance)
            newcomer.add(offspring.take([top]))
            self.best = newcomer.member(0)

    def _score(self, scorer: Scorer, children: Offspring) -> Any:
        try:
            return scorer.score(children.genomes)
        except Exception as error:
            error.add_note(
                f"raised by the scorer on children {children.ids.tolist()}; run() goes on with them, unless they are "
                "told first: evolution.tell(ids, zeros) gives them up."
            )
            raise

    def _record(self, metrics: Mapping[str, Callable[[Evolution], float]], bar: tqdm) -> None:
        if self._history.last("evaluations", 0) == self.evaluations:
            return
        state = describe(self.population)
        more = {name: metric(self) for name, metric in metrics.items()}
        with self._interrupts:
            self._history.record({"evaluations": self.evaluations, "seconds": self._seconds, **state, **more})
        shown = {"best": f"{state['best']:.4g}", "mean": f"{state['mean']:.4g}", "coverage": f"{state['coverage']:.1%}"}
        bar.set_postfix(shown, refresh=False)
