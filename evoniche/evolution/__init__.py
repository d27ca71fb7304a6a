"""The loop that joins the roles, and what it keeps of a run."""

from evoniche.evolution.failures import Failures, ScorerError
from evoniche.evolution.history import History, Result
from evoniche.evolution.loop import Evolution
from evoniche.evolution.storage import Store, StoreError
from evoniche.evolution.workers import RayExecutor, WorkerPool

__all__ = [
    "Evolution", "Failures", "History", "RayExecutor", "Result", "ScorerError", "Store", "StoreError", "WorkerPool",
]  # fmt: skip
