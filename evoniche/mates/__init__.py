"""Mate selectors, which choose a mate for each first parent. Each stands in a file of its own."""

from evoniche.mates.attraction import AttractionMateSelector
from evoniche.mates.compatible import CompatibleMateSelector
from evoniche.mates.independent import IndependentMateSelector
from evoniche.mates.lexicase import LexicaseMateSelector
from evoniche.mates.max_union import MaxUnionMateSelector
from evoniche.mates.negative_assortative import NegativeAssortativeMateSelector
from evoniche.mates.pair import PairMateSelector
from evoniche.mates.restricted import RestrictedMateSelector
from evoniche.mates.uniform import UniformMateSelector

__all__ = [
    "AttractionMateSelector",
    "CompatibleMateSelector",
    "IndependentMateSelector",
    "LexicaseMateSelector",
    "MaxUnionMateSelector",
    "NegativeAssortativeMateSelector",
    "PairMateSelector",
    "RestrictedMateSelector",
    "UniformMateSelector",
]
