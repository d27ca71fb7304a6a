"""Who breeds: one operator a file."""

from evoniche.selectors.rank import RankSelector
from evoniche.selectors.roulette import RouletteSelector
from evoniche.selectors.tournament import TournamentSelector
from evoniche.selectors.uniform import UniformSelector

__all__ = ["RankSelector", "RouletteSelector", "TournamentSelector", "UniformSelector"]
