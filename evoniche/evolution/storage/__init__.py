"""Runs in a file, from which they go on."""

from evoniche.evolution.storage.errors import StoreError
from evoniche.evolution.storage.store import Store, StoreLike, recording

__all__ = ["Store", "StoreError", "StoreLike", "recording"]
