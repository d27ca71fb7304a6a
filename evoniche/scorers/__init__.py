"""Scorers: one operator a file."""

from evoniche.scorers.single import SingleScorer

__all__ = ["SingleScorer"]
