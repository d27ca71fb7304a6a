"""Who survives: one operator a file."""

from evoniche.replacements.generational import GenerationalReplacement
from evoniche.replacements.worst import WorstReplacement

__all__ = ["GenerationalReplacement", "WorstReplacement"]
