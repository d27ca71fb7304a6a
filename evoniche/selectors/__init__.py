"""Selectors, which draw the first parents. Each stands in a file of its own."""

from evoniche.selectors.dalex import DalexSelector
from evoniche.selectors.downsampled_lexicase import DownsampledLexicaseSelector
from evoniche.selectors.epsilon_lexicase import EpsilonLexicaseSelector
from evoniche.selectors.lexicase import LexicaseSelector
from evoniche.selectors.rank import RankSelector
from evoniche.selectors.roulette import RouletteSelector
from evoniche.selectors.shuffle import ShuffleSelector
from evoniche.selectors.tournament import TournamentSelector
from evoniche.selectors.uniform import UniformSelector

__all__ = [
    "DalexSelector",
    "DownsampledLexicaseSelector",
    "EpsilonLexicaseSelector",
    "LexicaseSelector",
    "RankSelector",
    "RouletteSelector",
    "ShuffleSelector",
    "TournamentSelector",
    "UniformSelector",
]
