"""Methods to compare: M2N2's ablations, niching methods as evoniche's parts, and those of other libraries.

Each is a `Method` in the module of its name; `evoniche compare` and `specs.find_method` find them by entry point.
"""

from evoniche_baselines.methods.paper import PAPER_METHODS, PaperMethod

__all__ = ["PAPER_METHODS", "PaperMethod"]
