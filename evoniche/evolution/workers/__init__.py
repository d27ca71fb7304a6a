"""Scoring that may fail, here or in workers."""

from evoniche.evolution.workers.choice import dispatcher
from evoniche.evolution.workers.dispatcher import Dispatcher
from evoniche.evolution.workers.job import Done
from evoniche.evolution.workers.pool import WorkerPool
from evoniche.evolution.workers.ray import RayExecutor

__all__ = ["Dispatcher", "Done", "RayExecutor", "WorkerPool", "dispatcher"]
