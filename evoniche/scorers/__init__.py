"""Scorers: one operator a file."""

from evoniche.scorers.recorded import RecordedScorer
from evoniche.scorers.single import SingleScorer

__all__ = ["RecordedScorer", "SingleScorer"]
