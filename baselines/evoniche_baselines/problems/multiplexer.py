"""The Boolean multiplexer, by genetic programming (Koza 1992, section 7.4.1).

The first k inputs are the address, a binary number with the lowest digit first, of one of the 2**k data inputs that
follow; the right answer is the value of that input. Trees have the functions AND, OR, NOT and IF, and the inputs as
terminals. A case is a row of the truth table; its score is 1 where a tree gives the right answer, else 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from operator import and_, or_
from typing import Any, final

import attrs
import numpy as np
from deap import gp
from numpy.typing import NDArray

from evoniche.batches import Batch
from evoniche.roles import Scorer
from evoniche_baselines.problem import Problem
from evoniche_baselines.problems._gp import (
    SHAPE,
    Language,
    TreeGenome,
    behaviours,
    subtree_crossover,
    subtree_mutation,
)

__all__ = ["TruthTable", "multiplexer"]

_ADDRESS = {6: 2, 11: 3}
"""Number of inputs -> how many of them are the address."""

_POPULATION = {6: 500, 11: 1000}


def multiplexer(inputs: int = 6) -> Problem:
    """Make the problem to find a tree that works as a multiplexer.

    It has 64 or 2,048 cases, a phenotypic distance (the number of rows that two trees answer differently; the radius
    is a sixteenth of the rows) and a descriptor (height and size of the tree). The metric `behaviours` counts the
    different rows of answers among the members.

    Args:
        inputs: The number of inputs, 6 or 11. A table of 20 would have a million rows.

    Raises:
        ValueError: The number of inputs is another.

    >>> multiplexer().cases
    64
    """
    if inputs not in _ADDRESS:
        raise ValueError(f"multiplexer(inputs=...) must be 6 or 11, got {inputs!r}.")
    scorer = TruthTable(inputs)
    return Problem(
        name=f"multiplexer of {inputs} inputs",
        genome=TreeGenome(scorer.language, scorer.score),
        scorer=scorer,
        cases=scorer.cases,
        crossover=subtree_crossover(),
        mutation=subtree_mutation(scorer.language),
        population_size=_POPULATION[inputs],
        target=1.0,
        radius=scorer.cases / 16,
        descriptor=SHAPE,
        metrics={"behaviours": behaviours},
    )


@final
@attrs.frozen(eq=False)
class TruthTable(Scorer):
    """Scores trees on every row of the multiplexer's truth table.

    In row j, input i is the binary digit i of j. A column of the table is one large integer whose digit j belongs to
    row j. So a function of a tree computes all rows in a single operation of Python.

    Args:
        inputs: The number of inputs, 6 or 11.

    >>> scorer = TruthTable(6)
    >>> tree = scorer.language.read("IF a1 IF a0 d3 d2 IF a0 d1 d0")
    >>> bool(scorer.score([tree]).all())
    True
    """

    inputs: int
    language: Language = attrs.field(init=False, repr=False)
    columns: Mapping[str, int] = attrs.field(init=False, repr=False)
    answer: int = attrs.field(init=False, repr=False)

    @language.default
    def _language(self) -> Language:
        return _boolean(self.inputs)

    @columns.default
    def _columns(self) -> Mapping[str, int]:
        digits = np.arange(self.cases)[:, None] >> np.arange(self.inputs) & 1  # (cases, inputs)
        return {name: _as_int(column) for name, column in zip(self.language.inputs, digits.T, strict=True)}

    @answer.default
    def _answer(self) -> int:
        k = _ADDRESS[self.inputs]
        row = np.arange(self.cases)
        return _as_int(row >> (k + row % 2**k) & 1)

    @property
    def cases(self) -> int:
        """The number of rows of the table."""
        return 2**self.inputs

    def score(self, genomes: Batch) -> NDArray[np.bool_]:
        """Score a list of n trees; return shape (n, cases)."""
        right = b"".join(self._right(tree) for tree in genomes)
        digits = np.frombuffer(right, dtype=np.uint8).reshape(len(genomes), -1)
        return np.unpackbits(digits, axis=1, bitorder="little").astype(np.bool_)

    def _right(self, tree: gp.PrimitiveTree) -> bytes:
        wrong = self.language.run(tree, self.columns) ^ self.answer
        return (wrong ^ ((1 << self.cases) - 1)).to_bytes(self.cases // 8, "little")


@cache  # its set of primitives is the same for every problem of so many inputs
def _boolean(inputs: int) -> Language:
    k = _ADDRESS[inputs]
    names = [f"a{i}" for i in range(k)] + [f"d{i}" for i in range(2**k)]
    functions: dict[str, tuple[Any, int]] = {
        "AND": (and_, 2),
        "OR": (or_, 2),
        "NOT": (_Not(2**inputs), 1),
        "IF": (_if, 3),
    }
    return Language(f"boolean{inputs}", functions, tuple(names))


@final
@attrs.frozen
class _Not:
    """Inverts all digits of a column. `~` would give a negative number, whose digits have no end."""

    rows: int
    ones: int = attrs.field(init=False, repr=False)

    @ones.default
    def _ones(self) -> int:
        return (1 << self.rows) - 1

    def __call__(self, a: int) -> int:
        return a ^ self.ones


def _if(condition: int, then: int, otherwise: int) -> int:
    return otherwise ^ (condition & (then ^ otherwise))


def _as_int(digits: NDArray[np.integer]) -> int:
    return int.from_bytes(np.packbits(digits.astype(np.bool_), bitorder="little").tobytes(), "little")
