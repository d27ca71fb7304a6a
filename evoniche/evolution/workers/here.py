"""Scoring in this process."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, final

import attrs
import numpy as np

from evoniche.evolution.rejection import Rejection
from evoniche.evolution.workers.breeding import Variation, unbred
from evoniche.evolution.workers.job import Report, attempt
from evoniche.population import Offspring

__all__ = ["Here"]


@final
class Here:
    """Scores in this process, one call after the other."""

    def __init__(self, evolution: Any, rejection: Rejection | None) -> None:
        self._evolution = evolution
        self._rejection = rejection

    def start(self, children: Offspring) -> Future[Any]:
        """Score children; the future is done."""
        evolution = self._evolution

        def score() -> tuple[Any, int]:
            nonlocal children
            pairs = unbred(evolution, children)
            if pairs is not None:
                children = attrs.evolve(children, genomes=pairs.breed(Variation.of(evolution)))
            if self._rejection is None:
                return evolution.parts.scorer.score(children.genomes), 0
            return self._rejection.score(children, evolution.best.score if evolution.best else -np.inf)

        future: Future[Any] = Future()
        report = attempt(score)
        future.set_result(attrs.evolve(report, genomes=children.genomes))
        return future

    def since(self, future: Future[Any], submitted: float) -> float | None:  # noqa: ARG002
        """Nothing runs here, so there is no beginning."""
        return None

    def read(self, future: Future[Any], _: Offspring) -> Report | None:
        """What came of it."""
        report: Report = future.result()
        return report

    def stop(self, future: Future[Any]) -> None:
        """Nothing runs here."""

    def close(self, running: list[Future[Any]]) -> None:
        """Nothing runs here."""
