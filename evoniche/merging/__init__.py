"""Merging models by evolution: seeds, recipes over them as genomes, and the `merge` composition.

Without mutation, each merge by (split) SLERP or LERP is a combination of the seeds whose coefficients are constant
along stretches of the flat parameter index: a recipe. So a population of large models takes a few numbers for each
member. SLERP needs the dot products of two recipes, which follow from those of the seeds (their Gram matrices). Weights
exist only while a child is scored or written.
"""

from evoniche.merging.array_seeds import ArraySeeds
from evoniche.merging.composition import MOSAIC_SEGMENTS, merge
from evoniche.merging.gram_table import GRAM_BLOCK, GramTable
from evoniche.merging.recipe import Recipe, RecipeBatch
from evoniche.merging.recipe_genome import RecipeGenome
from evoniche.merging.recipes import Recipes
from evoniche.merging.seed_bank import SeedBank, check_span, one_recipe
from evoniche.merging.simplification import simplified

__all__ = [
    "GRAM_BLOCK", "MOSAIC_SEGMENTS", "ArraySeeds", "GramTable", "Recipe", "RecipeBatch", "RecipeGenome", "Recipes",
    "SeedBank", "check_span", "merge", "one_recipe", "simplified",
]  # fmt: skip
