"""The loop that joins the roles, and what it keeps of a run."""

from evoniche.evolution.history import History, Result
from evoniche.evolution.loop import Evolution
from evoniche.evolution.storage import Store, StoreError

__all__ = ["Evolution", "History", "Result", "Store", "StoreError"]
