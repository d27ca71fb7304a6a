"""Methods to compare, by name."""

from evoniche_baselines.methods.paper import PAPER_METHODS, PaperMethod

__all__ = ["PAPER_METHODS", "PaperMethod"]
