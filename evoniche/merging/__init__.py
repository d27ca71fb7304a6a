"""Merging models by evolution: the seeds, recipes over them, and the `merge` composition."""

from evoniche.merging.composition import merge
from evoniche.merging.recipe import Recipe, RecipeBatch
from evoniche.merging.recipe_genome import RecipeGenome
from evoniche.merging.recipes import Recipes
from evoniche.merging.seeds import ArraySeeds, SeedBank

__all__ = ["ArraySeeds", "Recipe", "RecipeBatch", "RecipeGenome", "Recipes", "SeedBank", "merge"]
