"""Scorers that wrap a function or another scorer. Each stands in a file of its own."""

from evoniche.scorers.by_case import ByCaseScorer
from evoniche.scorers.recorded import RecordedScorer
from evoniche.scorers.single import SingleScorer
from evoniche.scorers.worker import WorkerScorer

__all__ = ["ByCaseScorer", "RecordedScorer", "SingleScorer", "WorkerScorer"]
