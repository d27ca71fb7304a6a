"""The members alive, and what enters and leaves a population."""

from evoniche.population.offspring import NOBODY, Individual, Offspring
from evoniche.population.population import Population

__all__ = ["NOBODY", "Individual", "Offspring", "Population"]
