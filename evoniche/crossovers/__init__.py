"""Crossovers, which make one child of two parents. Each stands in a file of its own."""

from evoniche.crossovers.complementary import ComplementaryCrossover
from evoniche.crossovers.differential import DifferentialCrossover
from evoniche.crossovers.k_point import KPointCrossover
from evoniche.crossovers.lerp import LerpCrossover
from evoniche.crossovers.occasional import OccasionalCrossover
from evoniche.crossovers.order import OrderCrossover
from evoniche.crossovers.slerp import SlerpCrossover
from evoniche.crossovers.split_slerp import SplitSlerpCrossover
from evoniche.crossovers.uniform import UniformCrossover

__all__ = [
    "ComplementaryCrossover",
    "DifferentialCrossover",
    "KPointCrossover",
    "LerpCrossover",
    "OccasionalCrossover",
    "OrderCrossover",
    "SlerpCrossover",
    "SplitSlerpCrossover",
    "UniformCrossover",
]
