"""The file in which a merge is kept while it goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche import Evolution, Recipes, RecordedScorer, Store, StoreError, _log
from evoniche.batches import Batch
from evoniche_torch.commands.merge_run import MergeRun

__all__ = ["MergeStore"]

_SAME_TASKS = 0.02
"""How much the scores of one model may differ between two runs of the same tasks, in the mean over cases."""
_OLD = b'{"format": "evoniche-record-'


@final
@attrs.frozen
class MergeStore:
    """A store, and what becomes of it.

    Every evaluation is in it before the next begins. If the user names no file, it lies beside the folder of the merged
    model until that is written, so that nothing that goes wrong before costs an evaluation.
    """

    store: Store
    temporary: bool
    """Whether the file goes when the merged model is there."""
    record: Path | None = None
    """A record of scores as there was before stores, from which a new run begins."""

    @classmethod
    def of(cls, path: Path | None, out: Path, accept: Sequence[str]) -> MergeStore:
        """The store of a merge.

        Args:
            path: As the user names it; None for a file beside `out`.
            out: The folder of the merged model.
            accept: Names of differences from the stored run that do not matter.
        """
        allowed = {"initial", *accept}  # these follow from what the scorer says of itself
        if path is None:
            place = out.resolve()
            return cls(Store(place.with_name(f"{place.name}.run.db"), accept=allowed), temporary=True)
        if _is_old(path):
            return cls(Store(path.with_suffix(".db"), accept=allowed), temporary=False, record=path)
        return cls(Store(path, accept=allowed), temporary=False)

    @property
    def path(self) -> Path:
        """The file."""
        return self.store.path

    @property
    def told(self) -> int:
        """How many evaluations are in it."""
        if not self.path.is_file():
            return 0
        return next((row["told"] for row in self.store.runs() if row["name"] == self.store.name), 0)

    def begin(self, evolution: Evolution, run: MergeRun, first: NDArray[np.float64]) -> None:
        """Bring a new evolution to where the stored run is; a new run has the first seed, which is scored already.

        Args:
            evolution: A new one.
            run: Whose evolution it is.
            first: The scores of the first seed now.

        Raises:
            StoreError: The stored run is another one, or the file cannot be used.
            ValueError: The first seed has other scores than it had, so the tasks have changed.
        """
        known = None if self.record is None else self._old_scores(evolution, run, first)
        with self._explained(), self.store.recording(evolution):
            if evolution.evaluations:
                self._compare(self._rows([0])[0], first, run.seeds.labels[0], self.path)
                return
            evolution.tell(evolution.pending or evolution.ask(1), first[None])
            if known is not None:
                self._take_over(evolution, known)

    def scores(self, seeds: int, evaluations: int) -> NDArray[np.float64]:
        """The scores of the seeds, as many as have them, shape (seeds, cases)."""
        return self._rows(range(min(seeds, evaluations)))

    @contextmanager
    def named(self, evaluations: int) -> Iterator[None]:
        """Let errors that come after the run say that it is not lost."""
        try:
            yield
        except (ValueError, OSError) as error:
            raise ValueError(f"{error} Nothing is lost: the {evaluations} evaluations are in {self.path}, and the same "
                             "command, with what was wrong changed, goes on from there.") from error  # fmt: skip

    def finish(self) -> None:
        """Remove the file if it was there for this merge alone."""
        for ending in ("-wal", "-shm", "-lock", ""):  # what the last one holds is all there is, once nobody writes
            if self.temporary:
                Path(f"{self.path}{ending}").unlink(missing_ok=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what a refusal of the store means on the command line."""
        try:
            yield
        except StoreError as error:
            if "is another run" not in str(error):
                raise
            differing = str(error).partition("\nMake the evolution")[0]
            raise StoreError(f"{differing}\nGive the options as they were, another --store FILE, or --accept NAME (the "
                             "first word of a line above) for what does not matter; or remove the file.") from error

    def _rows(self, ids: Sequence[int]) -> NDArray[np.float64]:
        table = self.store.table("scores")
        rows: NDArray[np.float64] = table["scores"][np.searchsorted(table["id"], ids)]
        return rows

    def _old_scores(self, evolution: Evolution, run: MergeRun, first: NDArray[np.float64]) -> RecordedScorer:
        """What is on record, as a scorer that has a KeyError for all else."""

        def unknown(_: Batch) -> Any:
            raise KeyError

        genome = evolution.parts.genome
        assert genome is not None
        known = RecordedScorer(unknown, genome, self.record, about=run.old_name)
        with suppress(KeyError):
            before = known.score(Recipes(run.seeds, list(Recipes.of_seeds(run.seeds))[:1]))[0]
            self._compare(before, first, run.seeds.labels[0], self.record)
        return known

    def _take_over(self, evolution: Evolution, known: RecordedScorer) -> None:
        """Tell what is on record, from which the same run follows."""
        with suppress(KeyError):
            while True:
                children = evolution.pending or evolution.ask(1)
                evolution.tell(children, known.score(children.genomes))
        _log.warning("{} is a record of an older version: the {} evaluations of this run that are in it are now in {}, "
                     "where the run goes on.", self.record, evolution.evaluations, self.path)  # fmt: skip

    def _compare(self, before: Any, now: NDArray[np.float64], label: str, path: Path | None) -> None:
        """Refuse scores of the first seed that are other ones, case by case."""
        apart = np.abs(before - now)
        if "scorer" not in self.store.accept and apart.mean() > _SAME_TASKS:
            case = int(apart.argmax())
            raise ValueError(f"{path} has other scores of {label} than it has now (in case {case}, counted from 0 over "
                             f"all tasks: {before[case]:.3f} there, {now[case]:.3f} now): the tasks have changed, or "
                             "their cases are in another order. Give another --store, or --accept scorer if that does "
                             "not matter.")
        if apart.any():
            _log.info("{} of {} scores of {} differ a little from those in {}.", np.count_nonzero(apart), len(apart),
                      label, path)  # fmt: skip


def _is_old(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_OLD)) == _OLD
