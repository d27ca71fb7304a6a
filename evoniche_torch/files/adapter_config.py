"""What an adapter_config.json of peft says about the computation, and what in it cannot be merged."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import attrs

from evoniche_torch.files.compatibility import MergeError
from evoniche_torch.files.safetensors_reader import parse_json

__all__ = ["AdapterConfig", "read_adapter_config"]

_REFUSED = {
    "alora_invocation_tokens": "it works on some tokens only, so no weights do what it does",
    "arrow_config": "it chooses among experts token by token, so no weights do what it does",
    "kasa_config": "it changes the weights of its base",
    "layer_replication": "it repeats layers of its base",
    "megatron_config": "it is of Megatron's parallel layers",
    "monteclora_config": "it draws its weights at random",
    "target_parameters": "it adapts parameters (of experts, say) that are no modules",
    "use_bdlora": "its factors are block-diagonal",
    "use_qalora": "it works on pooled inputs of a quantised base",
}
"""Keys of adapter_config.json that must not be set -> why."""

_KNOWN = frozenset({
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "corda_config", "ensure_weight_tying",
    "eva_config", "exclude_modules", "fan_in_fan_out", "inference_mode", "init_lora_weights", "layers_pattern",
    "layers_to_transform", "loftq_config", "lora_alpha", "lora_bias", "lora_dropout", "lora_ga_config",
    "megatron_core", "modules_to_save", "peft_type", "peft_version", "qalora_group_size", "r", "rank_pattern",
    "revision", "runtime_config", "target_modules", "task_type", "trainable_token_indices", "use_dora", "use_rslora",
    "velora_config",
})  # fmt: skip
"""Keys that are heeded, or do not change what a trained adapter computes."""

_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


@final
@attrs.frozen
class AdapterConfig:
    """The parts of an adapter_config.json by which its tensors are turned into weights."""

    base_name: str | None
    """The model that the adapter was trained over, as the file calls it."""
    alpha: float
    alphas: tuple[tuple[re.Pattern[str], float], ...]
    """The alphas of modules whose names fit; the first that fits counts."""
    rank_stabilised: bool
    """Whether the scale is alpha / sqrt(r) (Kalajdzievski 2023, rsLoRA) in place of alpha / r."""
    dora: bool
    fan_in_fan_out: bool
    """Whether square weights are stored as (in, out)."""
    ties: bool
    """Whether the adapter treats tied weights alike."""
    tokens: Mapping[str, tuple[int, ...]]
    """Module (the end of its name; "" is the input embedding) -> the rows that were trained one by one."""

    def scale(self, module: str, rank: int) -> float:
        """The factor of B @ A in a module."""
        alpha = next((alpha for pattern, alpha in self.alphas if pattern.fullmatch(module)), self.alpha)
        return alpha / (math.sqrt(rank) if self.rank_stabilised else rank)


def read_adapter_config(file: Path) -> AdapterConfig:
    """Read an adapter_config.json.

    Raises:
        MergeError: It is damaged, or says something that cannot be merged, with the reason.
        OSError: It cannot be read.
    """
    found = parse_json(file.read_bytes(), file)
    if problems := _problems(found):
        raise MergeError(f"{file}: this adapter cannot be merged: {'; '.join(problems)}.")
    try:
        return AdapterConfig(
            base_name=_text(found.get("base_model_name_or_path")),
            alpha=float(found["lora_alpha"]),
            alphas=tuple((_pattern(text), float(alpha)) for text, alpha in (found.get("alpha_pattern") or {}).items()),
            rank_stabilised=bool(found.get("use_rslora")),
            dora=bool(found.get("use_dora")),
            fan_in_fan_out=bool(found.get("fan_in_fan_out")),
            ties=bool(found.get("ensure_weight_tying")),
            tokens=_tokens(found.get("trainable_token_indices")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, re.error) as error:
        raise MergeError(f"{file}: is damaged ({error!r}): download or save the adapter again.") from error


def _problems(found: Mapping[str, Any]) -> list[str]:
    kind = found.get("peft_type")
    if kind != "LORA":
        return [f"it is of the kind {kind}, only LORA (with DoRA and rsLoRA) is known here: merge it into its model "
                "first (merge_and_unload of peft)"]  # fmt: skip
    problems = [f"{key} is set: {reason}" for key, reason in _REFUSED.items() if found.get(key)]
    problems += [f"{key} is not known here" for key in found if found[key] and key not in {*_KNOWN, *_REFUSED}]
    start = found.get("init_lora_weights")
    if isinstance(start, str) and start.startswith(_CHANGES_BASE):
        problems.append(f"init_lora_weights is {start}, which changes the weights of the base: save it with "
                        "path_initial_model_for_weight_conversion of peft, which makes a plain LoRA of it")  # fmt: skip
    return problems


def _text(found: Any) -> str | None:
    if not isinstance(found, str | None):
        raise TypeError(f"base_model_name_or_path must be text, got {found!r}"[:120])
    return found or None


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern as peft reads it: a regular expression of the whole name, or of its last parts."""
    return re.compile(rf"(.*\.)?({text})")


def _tokens(found: Any) -> dict[str, tuple[int, ...]]:
    rows = found if isinstance(found, dict) else {"": found} if found else {}
    return {module: tuple(map(int, numbers)) for module, numbers in rows.items()}
