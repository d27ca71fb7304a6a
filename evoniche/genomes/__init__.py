"""Representations of solutions. Each stands in a file of its own."""

from evoniche.genomes.binary import BinaryGenome
from evoniche.genomes.integer import IntegerGenome
from evoniche.genomes.object import ObjectGenome
from evoniche.genomes.permutation import PermutationGenome
from evoniche.genomes.real import RealGenome

__all__ = [
    "BinaryGenome",
    "IntegerGenome",
    "ObjectGenome",
    "PermutationGenome",
    "RealGenome",
]
