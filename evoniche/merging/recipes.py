"""Recipes over the same seeds as a batch that crossovers merge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from evoniche.merging.recipe import Recipe
from evoniche.merging.seed_bank import SeedBank

__all__ = ["Recipes", "cuts_of_both"]

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@final
class Recipes:
    """A batch of recipes over the same seeds, which SLERP, split SLERP and LERP merge like arrays.

    It is a batch of `Vectors` (evoniche/functional/vectors.py): its dot products follow from the Gram matrices of the
    seeds, and a merge of two recipes is a recipe.

    >>> from evoniche import ArraySeeds, functional
    >>> seeds = ArraySeeds([np.array([1.0, 0.0]), np.array([0.0, 1.0])])
    >>> both = Recipes.of_seeds(seeds)
    >>> child = functional.lerp(both.take(np.array([0])), both.take(np.array([1])), np.array([0.25]))
    >>> child[0].coefficients.tolist()
    [[0.75, 0.25]]
    """

    __slots__ = ("recipes", "seeds")

    def __init__(self, seeds: SeedBank, recipes: Sequence[Recipe]) -> None:
        """Make a batch.

        Args:
            seeds: The seeds that the recipes combine.
            recipes: One recipe for each row.

        Raises:
            ValueError: A recipe has another number of seeds or parameters.
        """
        for recipe in recipes:
            if (recipe.size, recipe.coefficients.shape[1]) != (seeds.size, seeds.count):
                raise ValueError(f"these seeds are {seeds.count} of {seeds.size:,} parameters each, got {recipe!r}.")
        self.seeds = seeds
        self.recipes = tuple(recipes)

    @classmethod
    def of_seeds(cls, seeds: SeedBank) -> Recipes:
        """The seeds themselves as recipes, a row for each."""
        ends = [0, seeds.size]
        return cls(seeds, [Recipe.of(ends, row[None]) for row in np.eye(seeds.count)])

    def __repr__(self) -> str:
        return f"Recipes({list(self.recipes)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Recipes):
            return NotImplemented
        return len(self) == len(other) and all(
            np.array_equal(a.boundaries, b.boundaries) and np.array_equal(a.coefficients, b.coefficients)
            for a, b in zip(self, other, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self.recipes)

    def __iter__(self) -> Iterator[Recipe]:
        return iter(self.recipes)

    def __getitem__(self, row: int) -> Recipe:
        return self.recipes[row]

    @property
    def shape(self) -> tuple[int, int]:
        """(n, parameters)."""
        return len(self), self.seeds.size

    @property
    def founders(self) -> Recipes:
        """The seeds themselves, of which all of these are combinations."""
        return Recipes.of_seeds(self.seeds)

    def take(self, indices: NDArray[np.intp]) -> Recipes:
        """The rows at `indices`."""
        return Recipes(self.seeds, [self.recipes[i] for i in indices])

    def join(self, other: Recipes) -> Recipes:
        """These rows and then those of the other batch.

        Raises:
            ValueError: The other batch is over other seeds.
        """
        self._same_seeds(other)
        return Recipes(self.seeds, self.recipes + other.recipes)

    def dots(self, other: Recipes, bounds: Integers) -> tuple[Floats, Floats, Floats]:
        """Compute the dot products a . a, a . b and b . b of each pair of rows within given pieces.

        Args:
            other: As many recipes over the same seeds.
            bounds: The flat positions between which the pieces of each pair lie, shape (n, pieces + 1).

        Returns:
            Three arrays of shape (n, pieces).
        """
        self._same_seeds(other)
        found = np.zeros((3, len(self), bounds.shape[1] - 1))
        for i, (a, b, row) in enumerate(zip(self, other, bounds, strict=True)):
            cuts = cuts_of_both(a.boundaries, b.boundaries, row)
            grams = self.seeds.grams(cuts[:-1], cuts[1:])  # (stretches, K, K)
            of_a, of_b = a.along(cuts), b.along(cuts)  # (stretches, K)
            piece = np.searchsorted(row, cuts[:-1], side="right") - 1
            for j, (left, right) in enumerate(((of_a, of_a), (of_a, of_b), (of_b, of_b))):
                dots = np.einsum("sk,skl,sl->s", left, grams, right)
                found[j, i] = np.bincount(piece, dots, minlength=found.shape[2])
        return found[0], found[1], found[2]

    def blend(self, other: Recipes, bounds: Integers, wa: Floats, wb: Floats) -> Recipes:
        """Compute the sum a wa + b wb of each pair of rows, with weights that are constant in each piece.

        Args:
            other: As many recipes over the same seeds.
            bounds: The flat positions between which the pieces of each pair lie, shape (n, pieces + 1).
            wa: The weights of these rows, shape (n, pieces).
            wb: The weights of the other rows, shape (n, pieces).
        """
        self._same_seeds(other)
        children = []
        for a, b, row, of_a, of_b in zip(self, other, bounds, wa, wb, strict=True):
            cuts = cuts_of_both(a.boundaries, b.boundaries, row)
            piece = np.searchsorted(row, cuts[:-1], side="right") - 1
            table = of_a[piece, None] * a.along(cuts) + of_b[piece, None] * b.along(cuts)
            children.append(Recipe.of(cuts, table))
        return Recipes(self.seeds, children)

    def _same_seeds(self, other: Recipes) -> None:
        """Refuse other seeds. A copy of the seeds is accepted: its dot products are equal."""
        if other.seeds is not self.seeds:
            whole = np.array([0]), np.array([self.seeds.size])
            same_kind = (other.seeds.size, other.seeds.count) == (self.seeds.size, self.seeds.count)
            if not same_kind or not np.array_equal(self.seeds.grams(*whole), other.seeds.grams(*whole)):
                raise ValueError("recipes must be over the same seeds to be joined or merged.")


def cuts_of_both(*bounds: Integers) -> Integers:
    """All positions at which at least one of several recipes is cut, in order."""
    return np.unique(np.concatenate(bounds))
