"""Groups of parameters: layers, and the chromosomes of a merge.

A chromosome is a group of parameters with a mixing ratio and a split point of its own. mergekit makes such groups by
`layer_granularity` and `filters`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

from evoniche.functional import Chromosomes
from evoniche_torch.files import TensorIndex

__all__ = ["chromosomes", "layer_of"]

_WORDS = ("whole", "tensor", "layer")
_LAYERS = frozenset({"mid_block", "middle_block"})  # layers of their own, though what is in them is numbered
_WRAPPERS = frozenset({
    "model", "module", "transformer", "backbone", "base_model", "encoder", "decoder", "language_model", "text_model",
    "vision_model", "vision_tower", "visual", "gpt_neox", "bert", "roberta", "deberta", "distilbert", "electra",
    "albert", "vit", "wav2vec2", "hubert",
})  # fmt: skip
"""The names of modules that wrap a whole network."""


def layer_of(name: str) -> str:
    """The layer of a tensor: its name up to the first number, or up to the first part that is not a wrapper.

    >>> [layer_of(name) for name in ("model.layers.3.mlp.up_proj.weight", "model.norm.weight", "lm_head.weight")]
    ['model.layers.3', 'model.norm', 'lm_head']
    >>> [layer_of(name) for name in ("up_blocks.1.resnets.0.conv1.bias", "mid_block.attentions.0.norm.bias")]
    ['up_blocks.1', 'mid_block']
    """
    parts = name.split(".")
    numbered = next((i for i, part in enumerate(parts) if part.isdigit() or part in _LAYERS), None)
    if numbered is None:
        numbered = next((i for i, part in enumerate(parts) if part not in _WRAPPERS), 0)
    return ".".join(parts[: numbered + 1])


def chromosomes(index: TensorIndex, spec: Sequence[str]) -> Chromosomes | None:
    """Make the groups of parameters that are merged separately.

    Args:
        index: The tensors.
        spec: One word: "whole" (all parameters together), "tensor" (each tensor) or "layer" (each layer). Or regular
            expressions: the tensors in whose names the first is found are a group, then those of the second, and so
            on; the tensors in whose names none is found are one more group.

    Returns:
        The groups; None for all parameters together.

    Raises:
        ValueError: There are no words, one of the three stands beside others, or an expression is invalid or finds
            nothing.

    >>> import torch
    >>> from evoniche_torch import ModuleSeeds
    >>> seeds = ModuleSeeds([torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))])
    >>> chromosomes(seeds.index, ["weight", "bias"]).count
    2
    """
    spec = [spec] if isinstance(spec, str) else list(spec)
    if not spec or (len(spec) > 1 and set(spec) & set(_WORDS)):
        raise ValueError(f"chromosomes must be one of {', '.join(_WORDS)}, or regular expressions alone, got {spec}.")
    if spec == ["whole"]:
        return None
    names = [tensor.name for tensor in index.merged]
    groups: Sequence[Hashable]
    if spec == ["tensor"]:
        groups = names
    elif spec == ["layer"]:
        groups = [layer_of(name) for name in names]
    else:
        groups = _matched(index, names, spec)
    return Chromosomes.of([tensor.size for tensor in index.merged], groups)


def _matched(index: TensorIndex, names: Sequence[str], spec: Sequence[str]) -> list[int]:
    """For each tensor, the number of the first expression that is found in its name or in that of a tied tensor."""
    known = {name: [name] for name in names}
    for alias, name in index.tied.items():
        known.setdefault(name, []).append(alias)
    patterns = [_compiled(text) for text in spec]
    found = [[any(map(pattern.search, known[name])) for pattern in patterns] for name in names]
    groups = [row.index(True) if True in row else len(spec) for row in found]
    for number, text in enumerate(spec):
        if not any(row[number] for row in found):
            some = ", ".join(names[:: max(1, len(names) // 5)][:6])
            raise ValueError(f"chromosomes: {text!r} is found in no tensor's name. Some names: {some}.")
        if number not in groups:
            raise ValueError(f"chromosomes: {text!r} is found only where an expression before it is: put it first, or "
                             "leave it out.")  # fmt: skip
    return groups


def _compiled(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        words = ", ".join(_WORDS)
        raise ValueError(f"chromosomes: {text!r} is no regular expression ({error}), nor one of {words}.") from None
