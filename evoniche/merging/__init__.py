"""Merging models by evolution: the seeds, recipes over them, and the `merge` composition."""

from evoniche.merging.array_seeds import ArraySeeds
from evoniche.merging.composition import merge
from evoniche.merging.gram_table import GRAM_BLOCK, GramTable
from evoniche.merging.recipe import Recipe, RecipeBatch
from evoniche.merging.recipe_genome import RecipeGenome
from evoniche.merging.recipes import Recipes
from evoniche.merging.seed_bank import SeedBank, check_span, one_recipe

__all__ = [
    "GRAM_BLOCK", "ArraySeeds", "GramTable", "Recipe", "RecipeBatch", "RecipeGenome", "Recipes", "SeedBank",
    "check_span", "merge", "one_recipe",
]  # fmt: skip
