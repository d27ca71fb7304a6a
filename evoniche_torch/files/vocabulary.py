"""One vocabulary for models whose vocabularies differ: which row of which model stands behind each of its tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche import _log
from evoniche_torch.files.compatibility import MergeError
from evoniche_torch.files.model_folder import ModelFolder
from evoniche_torch.files.tensor_index import TensorInfo
from evoniche_torch.files.tokenizer_file import Tokenizer, read_tokenizer, unite
from evoniche_torch.files.vocabulary_tensors import vocabulary_tensors

__all__ = ["UNION", "Vocabulary", "plan_vocabulary"]

UNION = "union"
MISSING = -1


@final
@attrs.frozen(eq=False)
class Vocabulary:
    """The vocabulary of a merge."""

    owner: int
    """The model whose tokenizer this is, or begins with."""
    tokenizer: Tokenizer
    """What will be written."""
    tokenizers: tuple[Tokenizer, ...]
    """Those of the models."""
    tensors: tuple[str, ...]
    """The tensors that have a row for each token."""
    rows: NDArray[np.int64]
    """For each model and row, the row that this model has of the same token; -1 where it has none. (models, rows)"""
    sources: NDArray[np.bool_]
    """The models of which a row is taken where a model lacks it, (models, rows)."""

    @property
    def size(self) -> int:
        """How many rows there are."""
        return int(self.rows.shape[1])

    @cached_property
    def copied(self) -> NDArray[np.bool_]:
        """The rows that one model alone has, which are copied from it; shape (rows,)."""
        single: NDArray[np.bool_] = (self.rows != MISSING).sum(axis=0) == 1
        return single & (len(self.rows) > 1)

    @property
    def digest(self) -> str:
        """A digest of which row is which."""
        return hashlib.sha256(self.rows.tobytes() + self.sources.tobytes()).hexdigest()


def plan_vocabulary(
    choice: str | int,
    labels: Sequence[str],
    folders: Sequence[ModelFolder],
    infos: Sequence[Mapping[str, TensorInfo]],
    *,
    based: bool,
) -> Vocabulary:
    """Find the rows that belong together, by their tokens.

    Rows behind the last token (padding) belong together by their numbers.

    Args:
        choice: "union", or the number of the model whose tokenizer is taken as it is.
        labels: The name of each model, that of the base last.
        folders: The folder of each model.
        infos: The tensors of each model by name.
        based: Whether the last model is a base: it serves where another lacks a row that it has.

    Raises:
        MergeError: A tokenizer is missing or damaged, tokenizers cannot be united, or tensors do not fit them.
    """
    tokenizers = [read_tokenizer(label, folder) for label, folder in zip(labels, folders, strict=True)]
    found = [vocabulary_tensors(folder.config, info) for folder, info in zip(folders, infos, strict=True)]
    _check(labels, found)
    counts = [next(iter(sizes.values())) for sizes in found]
    owner = 0 if choice == UNION else int(choice)
    tokenizer = unite(tokenizers) if choice == UNION else tokenizers[owner]
    last = max(tokenizer.tokens.values(), default=-1) + 1
    size = max(counts[owner], last) if choice == UNION else counts[owner]
    rows = np.stack([_rows(tokenizer, other, size, count) for other, count in zip(tokenizers, counts, strict=True)])
    has = rows != MISSING
    if (nowhere := np.flatnonzero(~has.any(axis=0))).size:
        raise MergeError(f"row {nowhere[0]} of the vocabulary is in no model: the embedding of {labels[owner]} has "
                         f"{counts[owner]:,} rows, its tokenizer {last:,} tokens.")  # fmt: skip
    sources = has.copy()
    if based:
        sources[:-1] &= ~has[-1]
    _tell(labels, has, len(tokenizer.tokens))
    return Vocabulary(owner, tokenizer, tuple(tokenizers), tuple(found[0]), rows, sources)


def _check(labels: Sequence[str], found: Sequence[Mapping[str, int]]) -> None:
    for label, tensors in zip(labels, found, strict=True):
        if not tensors:
            raise MergeError(f"{label} has no embedding of tokens that is known here, so --tokenizer has no meaning.")
        if set(tensors) != set(found[0]):
            name = next(iter(set(tensors) ^ set(found[0])))
            raise MergeError(f"{name} has a row for each token in some of the models only: {', '.join(labels)}.")
        if len(set(tensors.values())) > 1:
            sizes = ", ".join(f"{name} {rows:,}" for name, rows in tensors.items())
            raise MergeError(f"the tensors of {label} have different numbers of tokens: {sizes}.")


def _rows(target: Tokenizer, own: Tokenizer, size: int, count: int) -> NDArray[np.int64]:
    """For each row of the target, the row in a model of `count` rows."""
    rows = np.full(size, MISSING, dtype=np.int64)
    taken = np.zeros(size, dtype=np.bool_)
    for token, place in target.tokens.items():
        if place < size:
            taken[place] = True
            number = own.tokens.get(token, MISSING)
            rows[place] = number if number < count else MISSING
    used = set(own.tokens.values())
    for place in np.flatnonzero(~taken).tolist():  # padding
        if place < count and place not in used:
            rows[place] = place
    return rows


def _tell(labels: Sequence[str], has: NDArray[np.bool_], tokens: int) -> None:
    single = int((has.sum(axis=0) == 1).sum())
    lacks = {label: int((~row).sum()) for label, row in zip(labels, has, strict=True)}
    lacking = ", ".join(f"{label} {count:,}" for label, count in lacks.items() if count)
    _log.info("one vocabulary of {:,} tokens in {:,} rows: {:,} are copied from the one model that has them; lacking "
              "are in {}.", tokens, has.shape[1], single, lacking or "none")  # fmt: skip
