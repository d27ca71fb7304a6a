"""Changes to global state while lm-evaluation-harness runs, all of which are undone."""

from __future__ import annotations

import importlib
import logging
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from evoniche.randomness import kept_global_randomness

__all__ = ["quiet", "seeded", "unaggregated"]

_WITH_BARS = ("lm_eval.api.task", "lm_eval.api.model", "lm_eval.models.huggingface")


@contextmanager
def seeded(python: int, numpy: int, torch_seed: int) -> Iterator[None]:
    """Seed the global generators as the harness does, and restore their states in the end."""
    with kept_global_randomness():
        random.seed(python)
        np.random.seed(numpy)  # noqa: NPY002
        # torch.manual_seed would decide what a GPU that is not in use yet begins with.
        torch.default_generator.manual_seed(torch_seed)
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.manual_seed_all(torch_seed)
        yield


@contextmanager
def quiet(verbose: bool) -> Iterator[None]:
    """Hide the progress bars and warnings of the harness and its libraries, unless verbose, and write no bytecode."""
    if verbose:
        yield
        return
    datasets = importlib.import_module("datasets")
    loggers = [logging.getLogger(name) for name in ("lm_eval", "transformers", "datasets")]
    levels = [logger.level for logger in loggers]
    modules: list[Any] = [sys.modules[name] for name in _WITH_BARS if hasattr(sys.modules.get(name), "tqdm")]
    bars = [module.tqdm for module in modules]
    shown = not datasets.are_progress_bars_disabled()
    bytecode = sys.dont_write_bytecode
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    for module, bar in zip(modules, bars, strict=True):
        module.tqdm = _hidden(bar)
    datasets.disable_progress_bars()
    sys.dont_write_bytecode = True  # functions of a task are imported from the user's folder
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for module, bar in zip(modules, bars, strict=True):
            module.tqdm = bar
        if shown:
            datasets.enable_progress_bars()
        sys.dont_write_bytecode = bytecode


@contextmanager
def unaggregated(tasks: Iterable[Any]) -> Iterator[None]:
    """Skip the harness's aggregation over all documents, which takes time and fails for unusual answers."""
    own = [(task, vars(task).get("aggregation")) for task in tasks]
    for task, _ in own:
        task.aggregation = _nothing
    try:
        yield
    finally:
        for task, aggregation in own:
            del task.aggregation
            if aggregation is not None:
                task.aggregation = aggregation


def _nothing() -> Any:
    return defaultdict(lambda: len)


def _hidden(bar: Any) -> Any:
    def tqdm(*args: Any, **options: Any) -> Any:
        return bar(*args, **options | {"disable": True})

    return tqdm
