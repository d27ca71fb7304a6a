"""Replacements, which decide who survives. Each stands in a file of its own."""

from evoniche.replacements.crowding import CrowdingReplacement
from evoniche.replacements.deterministic_crowding import DeterministicCrowdingReplacement
from evoniche.replacements.generational import GenerationalReplacement
from evoniche.replacements.observing import ObservingReplacement
from evoniche.replacements.plus import PlusReplacement
from evoniche.replacements.restricted_tournament import RestrictedTournamentReplacement
from evoniche.replacements.species_conserving import SpeciesConservingReplacement
from evoniche.replacements.worst import WorstReplacement

__all__ = [
    "CrowdingReplacement",
    "DeterministicCrowdingReplacement",
    "GenerationalReplacement",
    "ObservingReplacement",
    "PlusReplacement",
    "RestrictedTournamentReplacement",
    "SpeciesConservingReplacement",
    "WorstReplacement",
]
