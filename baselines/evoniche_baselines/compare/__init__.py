"""Compares methods on problems: `compare`, `write_report`, and the command `evoniche compare`."""

from evoniche_baselines.compare.report import write_report
from evoniche_baselines.compare.study import Comparison, compare

__all__ = ["Comparison", "compare", "write_report"]
