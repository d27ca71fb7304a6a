"""Mutations, which change what a child has inherited. Each stands in a file of its own."""

from evoniche.mutations.bit_flip import BitFlipMutation
from evoniche.mutations.chain import ChainMutation
from evoniche.mutations.gaussian import GaussianMutation
from evoniche.mutations.integer_reset import IntegerResetMutation
from evoniche.mutations.recipe import RecipeMutation
from evoniche.mutations.swap import SwapMutation

__all__ = [
    "BitFlipMutation",
    "ChainMutation",
    "GaussianMutation",
    "IntegerResetMutation",
    "RecipeMutation",
    "SwapMutation",
]
