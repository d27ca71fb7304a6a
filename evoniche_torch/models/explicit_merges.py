"""Merges that are no recipes, since they drop numbers of the models: TIES and DARE, computed block by block.

Each is one model made with given weights, not a search. `linear` and `task_arithmetic` are recipes (`weighted_recipe`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal, final, get_args

import attrs
import numpy as np
import torch

from evoniche.merging import Recipe
from evoniche_torch.models.tensor_seeds import MERGE_BLOCK, TensorSeeds
from evoniche_torch.models.trimming import Threshold, find_threshold

__all__ = ["ExplicitFilling", "ExplicitMerge", "Method", "weighted_recipe"]

Method = Literal["ties", "dare_ties", "dare_linear"]
_NOTHING = 1e-8  # a sum of weights that nothing is divided by


def weighted_recipe(seeds: TensorSeeds, weights: Sequence[float], *, scale: float = 1.0) -> Recipe:
    """The recipe of one weight for each seed: a weighted sum of models, or of task vectors where there is a base.

    Weights that sum to 1 make mergekit's `linear`, and those of task vectors its `task_arithmetic` (Ilharco 2023).

    Args:
        seeds: The models.
        weights: One for each seed.
        scale: A factor of all weights (lambda).

    Raises:
        ValueError: There are other numbers of weights and seeds, or weights are not finite.
    """
    if len(weights) != seeds.count:
        raise ValueError(f"weights must be one for each of {seeds.count} models, got {len(weights)}.")
    return Recipe.of([0, seeds.size], [[scale * weight for weight in weights]])


def _density(_: ExplicitMerge, __: attrs.Attribute[float], value: float) -> None:
    if not 0 < value <= 1:
        raise ValueError(f"ExplicitMerge(density=...) must be in (0, 1], the share that is kept, got {value}.")


@final
@attrs.frozen
class ExplicitMerge:
    """TIES or DARE: task vectors (model minus base) lose most of their numbers before they are added to the base.

    With the task vectors t_k after the loss, and weights w_k:

    - "ties" (Yadav 2023): of each tensor of each model, the share `density` with the largest magnitudes is kept (not of
      the model as a whole, which the paper leaves open; mergekit does so too). The sign of a number is that of the sum
      of w_k t_k, and those that disagree are left out: base + scale * sum w_k t_k / sum w_k over those that agree.
    - "dare_linear" (Yu 2024): each number is kept with the probability `density`, and divided by it:
      base + scale * sum w_k t_k.
    - "dare_ties": numbers are lost as in DARE, signs are elected as in TIES, and nothing is divided by the weights.

    What is kept depends on `seed`, the model, the tensor and the place alone, not on the size of blocks. Unlike
    recipes, such merges are written for given weights: they are not bred.
    """

    method: Method = attrs.field(validator=attrs.validators.in_(get_args(Method)))
    weights: tuple[float, ...] = attrs.field(converter=tuple)
    """One for each model."""
    density: float = attrs.field(default=0.2, validator=_density)
    scale: float = 1.0
    """The factor of what is added to the base (lambda)."""
    normalize: bool | None = None
    """Whether the sum is divided by the weights of those that agree; None: for "ties" alone, as in mergekit."""
    seed: int = 0
    """Fixes what DARE drops."""


@final
class ExplicitFilling:
    """Merged numbers of an explicit merge, made where they are asked for. A few blocks are in memory."""

    def __init__(self, merge: ExplicitMerge, seeds: TensorSeeds) -> None:
        """Take the models.

        Raises:
            ValueError: There is no base, or there are other numbers of weights and models.
        """
        if seeds.base_label is None:
            raise ValueError(f"{merge.method} is of what each model adds to a base: give the base (base=..., --base).")
        if len(merge.weights) != seeds.count:
            raise ValueError(f"weights must be one for each of {seeds.count} models, got {len(merge.weights)}.")
        self._merge = merge
        self._seeds = seeds
        self._thresholds: dict[tuple[int, str], Threshold] = {}

    def into(self, out: torch.Tensor, start: int) -> None:
        """Write merged numbers from a flat position on, rounded once if `out` has less precision.

        Args:
            out: A flat tensor of any float dtype.
            start: The flat position of the first number.
        """
        done = 0
        for name, low, high in self._seeds.index.pieces(start, start + len(out)):
            for first in range(low, high, MERGE_BLOCK):
                last = min(first + MERGE_BLOCK, high)
                piece = out[done : done + last - first]
                piece.copy_(self._merged(name, first, last))
                if self._seeds.copied_rows is not None:
                    self._seeds.copied_rows.write(piece, name, first, last)
                done += last - first

    def _merged(self, name: str, low: int, high: int) -> torch.Tensor:
        merge, precision = self._merge, self._seeds.precision
        vectors = [self._kept(k, name, low, high) for k in range(self._seeds.count)]
        weights = torch.tensor(merge.weights, dtype=precision)[:, None]
        weighted = torch.stack(vectors) * weights  # (models, numbers)
        if merge.method != "dare_linear":
            elected = torch.where(weighted.sum(dim=0) >= 0, 1.0, -1.0)
            agree = weighted.sign() == elected
            weighted, weights = weighted * agree, weights * agree
        total = weighted.sum(dim=0)
        if merge.normalize if merge.normalize is not None else merge.method == "ties":
            divisor = weights.sum(dim=0)
            total = total / torch.where(divisor.abs() < _NOTHING, 1.0, divisor)
        return self._base(name, low, high).add_(total, alpha=merge.scale)

    def _kept(self, k: int, name: str, low: int, high: int) -> torch.Tensor:
        """The task vector of a model after its loss."""
        vector, density = self._vector(k, name, low, high), self._merge.density
        if density == 1:
            return vector
        if self._merge.method == "ties":
            return vector * self._threshold(k, name).keep(vector.float(), low)
        return vector * self._drawn(k, name, low, high) / density

    def _threshold(self, k: int, name: str) -> Threshold:
        if (k, name) not in self._thresholds:
            start, stop = self._seeds.index.span(name)
            kept = max(1, int(self._merge.density * (stop - start)))
            self._thresholds[k, name] = find_threshold(partial(self._blocks, k, name, stop - start), kept)
        return self._thresholds[k, name]

    def _blocks(self, k: int, name: str, size: int) -> Iterator[torch.Tensor]:
        for low in range(0, size, MERGE_BLOCK):
            yield self._vector(k, name, low, min(low + MERGE_BLOCK, size)).float()

    def _drawn(self, k: int, name: str, low: int, high: int) -> torch.Tensor:
        """A mask of DARE, drawn for whole blocks of a tensor so that it does not depend on what is asked for."""
        index = self._seeds.index
        tensor = int(np.searchsorted(index.starts, index.span(name)[0]))
        first, last = low // MERGE_BLOCK, (high - 1) // MERGE_BLOCK + 1
        drawn = []
        for block in range(first, last):
            key = np.array([self._merge.seed, k], dtype=np.uint64)
            bits = np.random.Philox(key=key, counter=np.array([0, block, tensor, 0], dtype=np.uint64))
            drawn.append(np.random.Generator(bits).random(MERGE_BLOCK, dtype=np.float32) < self._merge.density)
        start = low - first * MERGE_BLOCK
        return torch.from_numpy(np.concatenate(drawn)[start : start + high - low])

    def _vector(self, k: int, name: str, low: int, high: int) -> torch.Tensor:
        found = self._seeds.read(k, name, low, high).to(self._seeds.precision, copy=True)
        return found.sub_(self._base(name, low, high))

    def _base(self, name: str, low: int, high: int) -> torch.Tensor:
        return self._seeds.read(self._seeds.count, name, low, high).to(self._seeds.precision, copy=True)
