"""Models on disk as seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import combinations
from os import PathLike
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm.auto import tqdm

from evoniche import _log
from evoniche.merging import GRAM_BLOCK, GramTable
from evoniche_torch.files import (
    UNION,
    Cache,
    MergeError,
    ModelFolder,
    TensorIndex,
    TensorInfo,
    Vocabulary,
    Weights,
    check_models,
    equal_tensors,
    one_vocabulary,
    open_models,
    plan_vocabulary,
    tied_in_some,
    tied_tensors,
)
from evoniche_torch.models.gram_sums import sum_grams
from evoniche_torch.models.tensor_seeds import TensorSeeds

__all__ = ["CheckpointSeeds"]

_SUMS_FORMAT = 1
_SAME = 1e-13  # 1 - cos^2 of models below it is nothing but rounding


@final
class CheckpointSeeds(TensorSeeds):
    """Models on disk as seeds: folders of transformers or diffusers, bare safetensors files, or base+adapter (LoRA).

    Only what is asked for is read, so memory does not grow with the models. The files must not change while they are
    open. Close the seeds, or use them in a with statement:

        with CheckpointSeeds(["maths-7b", "agent-7b"]) as seeds:
            evolution = evoniche.merge(seeds, scorer)
    """

    def __init__(
        self,
        models: Sequence[str | PathLike[str]],
        *,
        base: str | PathLike[str] | None = None,
        component: str | None = None,
        variant: str | None = None,
        mixed_dtypes: bool = False,
        ignore: Sequence[str] = (),
        tokenizer: str | int | None = None,
        allow_torch_files: bool = False,
        check_finite: bool = False,
        cache: Path | bool = True,
        progress: bool = False,
    ) -> None:
        """Open the models and check that they can be merged.

        Args:
            models: K folders or files of one architecture. "base+adapter" is a model with an adapter in peft's layout.
            base: The model from which all were fine-tuned; if given, the differences from it are merged.
            component: The part of diffusers pipelines to merge; their unet or transformer when None.
            variant: The set of weights to take in folders that have several, such as "fp16".
            mixed_dtypes: Whether models of different float dtypes may be merged; the result is like one of them.
            ignore: Keys of config.json that may differ; "tokenizer" stands for different vocabularies.
            tokenizer: For models whose vocabularies differ, which one the merge has: "union" (the tokens of the first,
                and behind them those that others have added), "first", or a model by its label or its number (from 0;
                the base is K). Rows of the same token are merged, and those that one model alone has are copied. When
                None, vocabularies must be equal.
            allow_torch_files: Whether weights in torch's format may be read. Nothing but tensors is read from them.
            check_finite: Whether to look for NaN and infinity now, which reads everything; otherwise they are found
                when dot products are first needed.
            cache: Where to keep digests and dot products: a folder, True for the usual one, or False for nowhere.
            progress: Show progress bars.

        Raises:
            ValueError: There are no models.
            MergeError: Files are missing, broken or unsafe, or the models differ; the message lists everything.
        """
        if isinstance(models, str | PathLike) or not len(models):
            raise ValueError(f"CheckpointSeeds(models=...) must be a list of folders or files, got {models!r}.")
        self.mixed_dtypes = mixed_dtypes
        self.ignore = (ignore,) if isinstance(ignore, str) else tuple(ignore)
        which = tuple(models), base, component, variant
        self._arguments = (*which, mixed_dtypes, self.ignore, tokenizer, allow_torch_files, cache)
        self._cache = Cache(cache)
        self._progress = progress
        paths = [*models, *([] if base is None else [base])]
        folders, self._weights = open_models(
            paths, component=component, variant=variant, allow_torch_files=allow_torch_files, ignore=self.ignore
        )
        self.folders: tuple[ModelFolder, ...] = tuple(folders)
        names = _distinct(self.folders)
        self.labels = tuple(names[: len(models)])
        self.base_label = None if base is None else names[-1]
        self.tokenizer = self._choose(tokenizer)
        self.stored = tuple(self._weights)
        ignored = self.ignore if self.tokenizer is None else (*self.ignore, "tokenizer", "vocab_size")
        if self.vocabulary is not None:
            self._weights, self.copied_rows = one_vocabulary(self.stored, self.vocabulary)
        infos = [weights.tensors for weights in self._weights]
        copies = tied_in_some(folders[0], infos, self._weights) if self.vocabulary is None else {}
        common = [{name: tensor for name, tensor in tensors.items() if name not in copies} for tensors in infos]
        check_models(self.all_labels, folders, common, ignore=ignored, mixed_dtypes=mixed_dtypes)
        tied = self._tied(common)
        tied |= {name: tied.get(main, main) for name, main in copies.items() if name in infos[0]}
        self.index = TensorIndex.of(infos[0], tied)
        if not self.index.size:
            raise MergeError(f"{self.folders[0].path}: has no float tensors, there is nothing to merge.")
        self._warn_of_copied_tensors()
        if check_finite:
            self.check_finite()

    def __repr__(self) -> str:
        base = "" if self.base_label is None else f", base {self.base_label}"
        return f"CheckpointSeeds({', '.join(self.labels)}{base}: {self.size:,} parameters)"

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened_again, self._arguments  # another process opens the files itself, once

    def __enter__(self) -> CheckpointSeeds:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for weights in self._weights:
            weights.close()
        if self.copied_rows is not None:
            self.copied_rows.close()

    def read(self, seed: int, name: str, low: int, high: int) -> torch.Tensor:
        """The numbers low .. high - 1 of a tensor, in a buffer that the next `read` of this seed overwrites."""
        return self._weights[seed].read(name, low, high)

    @property
    def stored_folder(self) -> ModelFolder:
        """The folder from which a live model is loaded: the first, or the one whose vocabulary the merge has."""
        return self.folders[0 if self.vocabulary is None else self.vocabulary.owner]

    @cached_property
    def stored_index(self) -> TensorIndex:
        """The tensors of that folder as they are stored."""
        if self.vocabulary is None:
            return self.index
        weights = self.stored[self.vocabulary.owner]
        return TensorIndex.of(weights.tensors, tied_tensors(self.stored_folder, weights.tensors, [weights]))

    def weights_of(self, seed: int) -> Weights:
        """The tensors of a seed as they are stored, in its own vocabulary; the last is the base where there is one."""
        return self.stored[seed]

    def dtype_of(self, seed: int, name: str) -> torch.dtype:
        """The dtype that a tensor has in the files of a seed; what an adapter changes is read in more precision."""
        return self._weights[seed].tensors[name].dtype

    @cached_property
    def digests(self) -> tuple[dict[str, str], ...]:
        """For each of `folders`: the name of each file of weights, relative to the folder -> its SHA-256."""
        named = [dict(folder.weight_files) for folder in self.folders]
        for files_of, tokenizer in zip(named, self.vocabulary.tokenizers if self.vocabulary else (), strict=False):
            files_of[tokenizer.file.name] = tokenizer.file  # on which the rows depend
        files = [file for files_of in named for file in files_of.values()]
        size = sum(file.stat().st_size for file in files if file.exists())
        with tqdm(total=size, desc="digests", unit="B", unit_scale=True, disable=not self._progress) as bar:
            found = iter(self._cache.digests(files, done=bar.update))
        return tuple({name: next(found) for name in files_of} for files_of in named)

    def check_finite(self) -> None:
        """Look for NaN and infinity, which reads everything unless dot products are there already.

        Raises:
            MergeError: A tensor has NaN or infinity in it; the message names it and the model.
        """
        _ = self._table  # they show in the sums

    def gram_table(self) -> GramTable:
        """The Gram matrices of blocks, found in the cache or made in one pass over the models.

        Raises:
            MergeError: A tensor has NaN or infinity in it; the message names it and the model.
        """
        sums = None
        if self._cache.folder is not None:
            blocks = -(-self.size // GRAM_BLOCK)
            sums = self._cache.load_sums(self._key, (blocks, self.count, self.count))
        if sums is None:
            with tqdm(total=self.size, desc="dot products", unit_scale=True, disable=not self._progress) as bar:
                sums = sum_grams(
                    self.index, self._weights, self.all_labels, based=self.base_label is not None, progress=bar.update
                )
            if self._cache.folder is not None:
                self._cache.save_sums(self._key, sums)
        table = GramTable(sums, self.vectors)
        self._warn_of_equal_models(table.total)
        return table

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """The vocabulary to which the models are brought; None where each is as it is."""
        if self.tokenizer is None:
            return None
        infos = [weights.tensors for weights in self.stored]
        return plan_vocabulary(self.tokenizer, self.all_labels, self.folders, infos, based=self.base_label is not None)

    def _choose(self, tokenizer: str | int | None) -> int | Literal["union"] | None:
        """"union", or the number of a model.

        Raises:
            MergeError: There is no such model.
        """
        count = len(self.all_labels)
        if tokenizer is None:
            return None
        if tokenizer == UNION:
            return "union"
        if tokenizer == "first":
            return 0
        if tokenizer in self.all_labels:
            return self.all_labels.index(str(tokenizer))
        if isinstance(tokenizer, int) and not isinstance(tokenizer, bool) and 0 <= tokenizer < count:
            return tokenizer
        raise MergeError(f"tokenizer must be first, union, or one of the models {', '.join(self.all_labels)}, "
                         f"got {tokenizer!r}.")  # fmt: skip

    def _tied(self, infos: Sequence[Mapping[str, TensorInfo]]) -> dict[str, str]:
        if self.vocabulary is None:
            return tied_tensors(self.folders[0], infos[0], self._weights)
        ties = [tied_tensors(self.folders[0], weights.tensors, [weights]) for weights in self.stored]
        return {alias: name for alias, name in ties[0].items() if all(tied.get(alias) == name for tied in ties)}

    @cached_property
    def _key(self) -> str:
        """A digest of all that the sums depend on."""
        parts = {
            "format": _SUMS_FORMAT,
            "block": GRAM_BLOCK,
            "based": self.base_label is not None,
            "files": [list(files.values()) for files in self.digests],
            "index": [[tensor.name, list(tensor.shape)] for tensor in self.index.merged],
            **({"rows": self.vocabulary.digest} if self.vocabulary else {}),
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _warn_of_copied_tensors(self) -> None:
        first, *others = self._weights
        differing = [
            tensor.name
            for tensor in self.index.copied
            if not all(equal_tensors(first, tensor.name, other, tensor.name, tensor.size) for other in others)
        ]
        if differing:
            _log.warning("{} tensors that are no floats differ between the models (such as {}): they are copied from "
                           "{}.", len(differing), differing[0], self.labels[0])  # fmt: skip

    def _warn_of_equal_models(self, gram: NDArray[np.float64]) -> None:
        for (i, one), (j, other) in combinations(enumerate(self.labels), 2):
            if gram[i, i] * gram[j, j] - gram[i, j] ** 2 <= _SAME * gram[i, i] * gram[j, j] and gram[i, j]:
                _log.warning("{} and {} are the same model, or multiples of each other: merging them adds nothing.",
                               one, other)  # fmt: skip
        for label, square in zip(self.labels, np.diagonal(gram), strict=True):
            if not square:
                what = "zero everywhere" if self.base_label is None else f"equal to the base {self.base_label}"
                _log.warning("{} is {}: merging it adds nothing.", label, what)


@lru_cache(maxsize=2)
def _opened_again(
    models: tuple[str | PathLike[str], ...],
    base: str | PathLike[str] | None,
    component: str | None,
    variant: str | None,
    mixed_dtypes: bool,
    ignore: tuple[str, ...],
    tokenizer: str | int | None,
    allow_torch_files: bool,
    cache: Path | bool,
) -> CheckpointSeeds:
    """The seeds of another process, which stay open in this one."""
    return CheckpointSeeds(
        models, base=base, component=component, variant=variant, mixed_dtypes=mixed_dtypes, ignore=ignore,
        tokenizer=tokenizer, allow_torch_files=allow_torch_files, cache=cache,
    )  # fmt: skip


def _distinct(folders: Sequence[ModelFolder]) -> list[str]:
    """Labels that differ: with the folder above where two are equal, and a number where that does not help."""
    labels = [folder.label for folder in folders]
    longer = [f"{folder.path.resolve().parent.name}/{folder.label}" for folder in folders]
    labels = [long if labels.count(label) > 1 else label for label, long in zip(labels, longer, strict=True)]
    return [f"{label} ({i})" if labels.count(label) > 1 else label for i, label in enumerate(labels, start=1)]
