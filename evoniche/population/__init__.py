"""The population of living members, and the children that join it."""

from evoniche.population.offspring import NOBODY, Individual, Offspring
from evoniche.population.population import Population

__all__ = ["NOBODY", "Individual", "Offspring", "Population"]
