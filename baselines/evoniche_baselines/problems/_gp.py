"""Genetic programming with DEAP's trees (Koza 1992): the representation, its operators, and how a tree is run."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, final

import attrs
import numpy as np
from deap import gp
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from evoniche.adapters.deap import DeapCrossover, DeapGenome, DeapMutation
from evoniche.batches import Batch
from evoniche.roles import Crossover, Genome, Mutation
from evoniche_baselines.problem import Descriptor

__all__ = ["SHAPE", "Language", "TreeGenome", "behaviours", "subtree_crossover", "subtree_mutation"]

HEIGHT = 17
"""The greatest height of a tree. A child that is higher is refused: its first parent takes its place (Koza 1992)."""

_CONSTANT = "constant"

Trees = list[gp.PrimitiveTree]


@final
@attrs.frozen(eq=False)
class Language:
    """The functions, inputs and constants that trees are made of.

    Args:
        name: The name of the function set.
        functions: name -> (function, arity from 1 to 3).
        inputs: The names of the variables.
        constant: A function `f()` that draws a random constant with Python's `random`; None means no constants. It must
            be a function of a module, because it is sent to other processes.

    >>> sums = Language("sums", {"add": (np.add, 2)}, ("x", "y"))
    >>> float(sums.run(sums.read("add x add x y"), {"x": 1.0, "y": 5.0}))
    7.0
    """

    name: str
    functions: Mapping[str, tuple[Callable[..., Any], int]] = attrs.field(repr=False)
    inputs: tuple[str, ...] = attrs.field(repr=False)
    constant: Callable[[], float] | None = attrs.field(default=None, repr=False)
    primitives: gp.PrimitiveSet = attrs.field(init=False, repr=False)
    """The same as a primitive set of DEAP."""

    @primitives.default
    def _primitives(self) -> gp.PrimitiveSet:
        primitives = gp.PrimitiveSet(self.name, len(self.inputs))
        primitives.renameArguments(**{f"ARG{i}": name for i, name in enumerate(self.inputs)})
        for name, (function, arity) in self.functions.items():
            primitives.addPrimitive(function, arity, name=name)
        if self.constant is not None:
            primitives.addEphemeralConstant(_CONSTANT, self.constant)
        return primitives

    def run(self, tree: gp.PrimitiveTree, values: Mapping[Any, Any]) -> Any:
        """Compute the value of a tree for the values of its inputs, which may be arrays of all cases.

        A tree is a list in prefix order, so going through it backwards with a stack meets every argument before its
        function. Compiling the tree to Python first would take several times as long.

        Args:
            tree: The tree.
            values: The name of each input -> its value.
        """
        functions = self.functions
        stack: list[Any] = []
        pop, push = stack.pop, stack.append
        for node in reversed(tree):
            found = functions.get(node.name)
            if found is None:
                push(values.get(node.value, node.value))  # an input by its name, or a constant
                continue
            function, arity = found
            if arity == 2:
                push(function(pop(), pop()))
            elif arity == 1:
                push(function(pop()))
            else:
                push(function(pop(), pop(), pop()))
        return stack[0]

    def write(self, tree: gp.PrimitiveTree) -> str:
        """Write the nodes of a tree in prefix order, with spaces between them."""
        return " ".join(node.name if node.arity else node.format() for node in tree)

    def read(self, text: str) -> gp.PrimitiveTree:
        """Read the tree that `write` wrote."""
        known = self.primitives.mapping
        return gp.PrimitiveTree([known[word] if word in known else self._constant(word) for word in text.split()])

    def _constant(self, word: str) -> gp.Terminal:
        kind = self.primitives.mapping[_CONSTANT]
        node = kind.__new__(kind)  # its __init__ would draw a number
        node.value = float(word)
        return node


@final
@attrs.frozen(eq=False)
class TreeGenome(Genome):
    """Trees of DEAP; a batch is a list of `gp.PrimitiveTree`. Random ones are ramped half-and-half (Koza 1992).

    Args:
        language: What the trees are made of.
        behaviour: A function `f(trees)` that returns scores (n, cases); the distance of trees is that of their scores.
        heights: The least and the greatest height of random trees.
    """

    language: Language
    behaviour: Callable[[Trees], NDArray[Any]] = attrs.field(repr=False)
    heights: tuple[int, int] = (2, 6)

    def sample(self, n: int, *, rng: Generator) -> Trees:
        """Draw a list of n trees, each full or grown, of a height drawn uniformly."""
        trees: Trees = DeapGenome(self._random_tree).sample(n, rng=rng)
        return trees

    def _random_tree(self) -> gp.PrimitiveTree:
        return gp.PrimitiveTree(gp.genHalfAndHalf(self.language.primitives, *self.heights))

    def distance(self, a: Batch, b: Batch) -> NDArray[np.floating]:
        """Return the phenotypic distances, sum over the cases of |S_a - S_b|, shape (len(a), len(b)).

        For binary scores this is the number of cases that two trees answer differently. It takes a run of every tree.
        """
        of_a, of_b = (np.asarray(self.behaviour(trees), dtype=np.float64) for trees in (a, b))
        return cdist(of_a, of_b, "cityblock")

    def pack(self, batch: Batch) -> Mapping[str, NDArray[np.generic]]:
        """Store the trees as one array of text, "genomes"."""
        return {"genomes": np.array([self.language.write(tree) for tree in batch], dtype=np.str_)}

    def unpack(self, arrays: Mapping[str, NDArray[np.generic]]) -> Trees:
        """Return the list of trees that `pack` stored."""
        return [self.language.read(str(text)) for text in arrays["genomes"]]


def subtree_crossover(leaves: float = 0.1, height: int = HEIGHT) -> Crossover:
    """Make a crossover that replaces a subtree of the first parent with one of the mate (Koza 1992).

    Args:
        leaves: The probability that a crossover point is a leaf, not an inner node; it is never the root.
        height: The greatest height of a child. Where a child is higher, the first parent takes its place.

    >>> sums = Language("sums for crossover", {"add": (np.add, 2)}, ("x", "y"))
    >>> a, b = sums.read("add x x"), sums.read("add y y")
    >>> (child,) = subtree_crossover(leaves=1.0).cross([a], [b], rng=np.random.default_rng(0))
    >>> sums.write(child) in ("add y x", "add x y")
    True
    """
    return DeapCrossover(_cross, leaves=leaves, height=height)


def subtree_mutation(
    language: Language, rate: float = 0.1, heights: tuple[int, int] = (0, 2), height: int = HEIGHT
) -> Mutation:
    """Make a mutation that replaces a random subtree with a new full one (Koza 1992).

    Args:
        language: What the trees are made of.
        rate: The probability that a tree is mutated.
        heights: The least and the greatest height of the new subtree.
        height: The greatest height of a mutant. Where a mutant is higher, the tree stays as it was.

    >>> sums = Language("sums for mutation", {"add": (np.add, 2)}, ("x", "y"))
    >>> mutation = subtree_mutation(sums, rate=1.0, height=1)
    >>> (mutant,) = mutation.mutate([sums.read("add x x")], rng=np.random.default_rng(0))
    >>> mutant.height <= 1
    True
    """
    grow = partial(gp.genFull, min_=heights[0], max_=heights[1])
    return DeapMutation(_mutate, primitives=language.primitives, grow=grow, rate=rate, height=height)


def _cross(
    a: gp.PrimitiveTree, b: gp.PrimitiveTree, leaves: float, height: int
) -> tuple[gp.PrimitiveTree, gp.PrimitiveTree]:
    first = gp.PrimitiveTree(a)
    child, other = gp.cxOnePointLeafBiased(a, b, leaves)
    return (child if child.height <= height else first), other


def _mutate(
    tree: gp.PrimitiveTree, primitives: gp.PrimitiveSet, grow: Callable[..., Any], rate: float, height: int
) -> tuple[gp.PrimitiveTree]:
    if random.random() >= rate:
        return (tree,)
    (mutant,) = gp.mutUniform(gp.PrimitiveTree(tree), expr=grow, pset=primitives)
    return (mutant if mutant.height <= height else tree,)


def behaviours(_: Batch, scores: NDArray[Any]) -> int:
    """Count the different rows of scores: solutions that no case tells apart count once."""
    return len(np.unique(scores, axis=0))


def _shape(genomes: Sequence[gp.PrimitiveTree], _: NDArray[Any]) -> NDArray[np.float64]:
    return np.array([(tree.height, np.log2(len(tree))) for tree in genomes], dtype=np.float64)


SHAPE = Descriptor(_shape, low=(0, 0), high=(HEIGHT + 1, 12), cells=(HEIGHT + 1, 24))
"""The descriptor of a tree: its height, and the base-2 logarithm of the number of its nodes."""
