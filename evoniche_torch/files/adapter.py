"""Reads adapters (LoRA) in the layout of peft: what each of their tensors does to a tensor of the base."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import attrs

from evoniche_torch.files.adapter_config import AdapterConfig
from evoniche_torch.files.compatibility import MergeError
from evoniche_torch.files.tensor_index import MERGED_DTYPES, TensorInfo, natural_key
from evoniche_torch.files.vocabulary_tensors import is_head, ties_words, vocabulary_tensors

__all__ = ["LowRank", "Patch", "find_patches"]

_FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<factor>A|B)\.(?:default\.)?(?P<part>weight|bias)")
_EMBEDDING = re.compile(r"(?P<module>.+)\.lora_embedding_(?P<factor>A|B)(?:\.default)?")
_MAGNITUDE = re.compile(r"(?P<module>.+)\.lora_magnitude_vector(?:\.default)?(?:\.weight)?")
_TOKENS = re.compile(r"(?P<module>.+)\.token_adapter\.trainable_tokens_delta(?:\.default)?")
_WHOLE = re.compile(r"(?P<module>.+?)(?:\.base_layer|\.modules_to_save(?:\.default)?)?\.(?P<part>[^.]+)")
_STRANGE = re.compile(r"\.(lora_|token_adapter|base_layer\.lora)")
_PREFIX = "base_model.model."
_CONV1D = ("gpt2", "openai-gpt", "imagegpt", "decision_transformer", "gpt-sw3", "ctrl", "gptsan-japanese")
"""Models in transformers whose linear layers are stored as (in, out)."""
_HEADED = re.compile(r"ForCausalLM|LMHead|ForMaskedLM|ForConditionalGeneration|ForPreTraining")
_SHOWN = 10


@final
@attrs.frozen
class LowRank:
    """A weight that is changed by scale * B @ A, each a tensor of the adapter."""

    a: str | None
    """The name of A, (rank, in); None for a bias, to which B of shape (out,) is added."""
    b: str
    """The name of B, (out, rank)."""
    rank: int
    scale: float
    transposed: bool
    """Whether the weight is stored as (in, out), so that the transpose of B @ A is added."""
    magnitude: str | None = None
    """The name of DoRA's magnitudes, one for each output (Liu et al. 2024); None for a plain LoRA."""


@final
@attrs.frozen
class Patch:
    """What an adapter does to one tensor of its base: the steps in their order."""

    module: str
    """The module in the adapter's words."""
    whole: str | None = None
    """The tensor that takes the place of that of the base; None where it stays."""
    low_rank: LowRank | None = None
    """What is added to it."""
    rows: tuple[str, tuple[int, ...]] | None = None
    """The tensor whose rows take the place of these rows, and their numbers."""


def find_patches(
    path: Path,
    config: AdapterConfig,
    adapter: Mapping[str, TensorInfo],
    base: Mapping[str, TensorInfo],
    base_config: Mapping[str, Any] | None,
) -> dict[str, Patch]:
    """Find out what an adapter does to each tensor of its base.

    Args:
        path: The folder of the adapter, for messages.
        config: What its configuration says.
        adapter: The tensors of the adapter by name.
        base: The tensors of the base by name.
        base_config: The config.json of the base.

    Returns:
        The name of each tensor of the base that is changed -> what changes it.

    Raises:
        MergeError: The adapter has tensors that are not understood or do not fit; the message lists them.
    """
    finder = _Finder(config, adapter, base, base_config or {})
    patches = finder.find()
    if finder.problems:
        more = f"\n  ... and {len(finder.problems) - _SHOWN} more" if len(finder.problems) > _SHOWN else ""
        listed = "\n  ".join(finder.problems[:_SHOWN]) + more
        raise MergeError(
            f"{path}: this adapter does not fit the model that it was given with (it was made over "
            f"{config.base_name or 'one that it does not name'}):\n  {listed}"
        )
    return patches


@final
class _Finder:
    """Sorts the tensors of an adapter by the tensor of the base that they change."""

    def __init__(
        self,
        config: AdapterConfig,
        adapter: Mapping[str, TensorInfo],
        base: Mapping[str, TensorInfo],
        base_config: Mapping[str, Any],
    ) -> None:
        self._config = config
        self._adapter = adapter
        self._base = base
        self._base_config = base_config
        self._starts = dict.fromkeys(name.partition(".")[0] for name in base)
        self._vocabulary = vocabulary_tensors(base_config, base)
        self._has_head = any(is_head(name) for name in self._vocabulary)
        self._tied = ties_words(base_config)
        if self._tied is None:  # not said, so what its model does by itself: look at its files
            names = base_config.get("architectures") or [""]
            self._tied = bool(_HEADED.search(str(names[0]))) and not self._has_head
        self.problems: list[str] = []

    def find(self) -> dict[str, Patch]:
        parts: dict[str, dict[str, str]] = {}
        for name in sorted(self._adapter, key=natural_key):
            self._sort(name, parts)
        patches: dict[str, Patch] = {}
        for target, found in parts.items():
            module, _, _ = target.rpartition(".")
            if (place := self._place(target)) is None:
                if not (self._tied and is_head(target) and self._config.ties):  # else it is that of the embedding
                    self._miss(target)
            elif place in patches:
                self.problems.append(f"{target}: changes {place}, as {patches[place].module} does")
            elif self._base[place].dtype not in MERGED_DTYPES:
                self.problems.append(f"{target}: is of {self._base[place].dtype} in the base")
            else:
                patches[place] = self._patch(module, place, found)
        self._check_ties(patches)
        return patches

    def _sort(self, name: str, parts: dict[str, dict[str, str]]) -> None:
        """File a tensor under the tensor that it changes, in the adapter's words, and its part in that."""
        plain = name.removeprefix(_PREFIX)
        if found := _FACTOR.fullmatch(plain):
            if found["part"] == "bias":
                target, key = f"{found['module']}.bias", f"bias {found['factor']}"
            else:
                target, key = f"{found['module']}.weight", found["factor"]
        elif found := _EMBEDDING.fullmatch(plain):
            target, key = f"{found['module']}.weight", f"embedding {found['factor']}"
        elif found := _MAGNITUDE.fullmatch(plain):
            target, key = f"{found['module']}.weight", "magnitude"
        elif found := _TOKENS.fullmatch(plain):
            target, key = f"{found['module']}.weight", "tokens"
        elif not _STRANGE.search(plain) and (found := _WHOLE.fullmatch(plain)):
            target, key = f"{found['module']}.{found['part']}", "whole"
        else:
            self.problems.append(f"{name}: is no part of a LoRA that is known here")
            return
        if parts.setdefault(target, {}).setdefault(key, name) != name:
            self.problems.append(f"{name}: is in the adapter twice, also as {parts[target][key]}")

    def _place(self, target: str) -> str | None:
        """The name that a tensor has in the base, whose files may have or lack a prefix."""
        names = [target, *(f"{start}.{target}" for start in self._starts), target.partition(".")[2]]
        return next((name for name in names if name in self._base), None)

    def _miss(self, target: str) -> None:
        if self._tied and is_head(target):
            self.problems.append(f"{target}: {_TIED}")
        else:
            self.problems.append(f"{target}: there is no such tensor in the base")

    def _patch(self, module: str, place: str, found: Mapping[str, str]) -> Patch:
        keys = set(found) - {"whole", "tokens"}
        low_rank = None
        for factors in ({"A", "B"}, {"embedding A", "embedding B"}, {"bias B"}):
            if keys in (factors, factors | {"magnitude"}):
                low_rank = self._low_rank(module, place, found, *sorted(factors))
                break
        else:
            if keys:
                self.problems.append(f"{place}: the adapter has of it only {', '.join(found.values())}")
        if (whole := found.get("whole")) and self._adapter[whole].shape != self._base[place].shape:
            self.problems.append(f"{whole}: is of shape {list(self._adapter[whole].shape)}, the base has "
                                 f"{list(self._base[place].shape)}")  # fmt: skip
        rows = self._rows(place, found["tokens"]) if "tokens" in found else None
        return Patch(module, whole, low_rank, rows)

    def _low_rank(
        self, module: str, place: str, found: Mapping[str, str], first: str, second: str | None = None
    ) -> LowRank | None:
        a, b = (None, found[first]) if second is None else (found[first], found[second])
        of_b = self._adapter[b].shape
        magnitude = found.get("magnitude")
        if self._config.dora != (magnitude is not None) and a is not None:
            self.problems.append(f"{place}: use_dora is {self._config.dora} in adapter_config.json, and the adapter "
                                 f"has {'a' if magnitude else 'no'} lora_magnitude_vector of it")  # fmt: skip
        shape = self._base[place].shape
        if a is None:
            if of_b != shape:
                self._misfit(place, a, b)
            rank = self._adapter.get(b.removesuffix("bias") + "weight")
            of_weight = rank.shape if rank is not None else (0, 0)
            scale = self._config.scale(module, of_weight[1]) if len(of_weight) > 1 and of_weight[1] else 0.0
            return LowRank(None, b, 1, scale, transposed=False)
        of_a = self._adapter[a].shape
        if len(of_a) < 2 or len(of_b) < 2 or of_b[1] != of_a[0] or not of_a[0] or set(of_b[2:]) - {1}:
            self._misfit(place, a, b)
            return None
        straight = (of_b[0], *of_a[1:]) == shape
        turned = (of_a[1], of_b[0]) == shape and len(of_a) == 2
        if first.startswith("embedding"):
            straight = False
        if straight and turned:
            kind = self._base_config.get("model_type")
            straight = kind not in _CONV1D if kind is not None else not self._config.fan_in_fan_out
        if not straight and not turned:
            self._misfit(place, a, b)
        if magnitude and self._adapter[magnitude].size != of_b[0]:
            self._misfit(place, magnitude, b)
        return LowRank(a, b, of_a[0], self._config.scale(module, of_a[0]), not straight, magnitude)

    def _misfit(self, place: str, a: str | None, b: str) -> None:
        shapes = [f"{name} of shape {list(self._adapter[name].shape)}" for name in (a, b) if name]
        self.problems.append(f"{place}: is of shape {list(self._base[place].shape)} in the base, the adapter has "
                             f"{' and '.join(shapes)}")  # fmt: skip

    def _rows(self, place: str, name: str) -> tuple[str, tuple[int, ...]]:
        module = name.removeprefix(_PREFIX).split(".token_adapter")[0]
        fitting = [rows for end, rows in self._config.tokens.items() if f".{module}".endswith(f".{end}" if end else "")]
        rows, shape = fitting[0] if fitting else (), self._base[place].shape
        inside = len(shape) == 2 and all(0 <= row < shape[0] for row in rows)
        if not inside or self._adapter[name].shape != (len(rows), *shape[1:]):
            self.problems.append(f"{name}: is of shape {list(self._adapter[name].shape)}, for the {len(rows)} rows of "
                                 f"trainable_token_indices in {place} of shape {list(shape)}")  # fmt: skip
        return name, rows

    def _check_ties(self, patches: Mapping[str, Patch]) -> None:
        """One tensor of two that the model ties cannot be changed alone. Rows of tokens peft ties by itself."""
        if self._tied and not self._config.ties:
            self.problems += [
                f"{place}: {_TIED}"
                for place, patch in patches.items()
                if place in self._vocabulary and (patch.whole or patch.low_rank)
            ]


_TIED = ("the base ties its embedding and its head, and the adapter changes one of the two, which makes two tensors of "
         "one: train it with ensure_weight_tying")  # fmt: skip
