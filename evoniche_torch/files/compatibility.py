"""Finds out whether models can be merged, and names all that differs between them at once."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from evoniche import _log
from evoniche._reading import parse_json
from evoniche_torch.files.tensor_index import MERGED_DTYPES, TensorInfo

__all__ = [
    "IGNORED", "NOTED", "MergeError", "config_mismatches", "refuse_mismatches", "tensor_mismatches",
    "tokenizer_mismatches",
]  # fmt: skip

IGNORED = frozenset({
    "dtype", "torch_dtype", "transformers_version", "use_cache", "initializer_range", "initializer_factor",
    "pretraining_tp", "gradient_checkpointing", "output_attentions", "output_hidden_states", "output_router_logits",
    "return_dict", "router_aux_loss_coef", "unsloth_fixed", "unsloth_version", "embd_pdrop", "attn_pdrop",
    "resid_pdrop",
})  # fmt: skip
"""Keys of config.json that may differ: they say how a model was stored or trained, not what it computes. Keys that
begin with "_" (except _class_name) or contain "dropout" or "layerdrop" may differ as well."""

NOTED = frozenset({
    "max_position_embeddings", "bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "sep_token_id",
    "cls_token_id", "mask_token_id", "decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id",
    "sample_size", "id2label", "label2id", "problem_type", "task_specific_params", "finetuning_task", "auto_map",
})  # fmt: skip
"""Keys of config.json that may differ too, but then a warning is logged."""

_SHOWN = 20
_KINDS = ("model_type", "architectures", "_class_name")
_VOCABULARIES = ("tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "sentencepiece.bpe.model")


@final
class MergeError(ValueError):
    """Models cannot be merged; the message says why."""


def refuse_mismatches(mismatches: Sequence[str], hints: Sequence[str] = ()) -> None:
    """Refuse models if there is any mismatch.

    Args:
        mismatches: One text for each thing that does not fit.
        hints: Ways out, which the message ends with.

    Raises:
        MergeError: There are mismatches, which the message lists.
    """
    if mismatches:
        more = f"\n  ... and {len(mismatches) - _SHOWN} more" if len(mismatches) > _SHOWN else ""
        listed = "\n  ".join(mismatches[:_SHOWN])
        reasons = "1 reason" if len(mismatches) == 1 else f"{len(mismatches)} reasons"
        raise MergeError(f"these models cannot be merged, for {reasons}:\n  {listed}{more}" + "\n".join(["", *hints]))


def tensor_mismatches(
    labels: Sequence[str], models: Sequence[Mapping[str, TensorInfo]], *, dtypes: bool = True
) -> list[str]:
    """Compare the names, shapes and dtypes of all tensors with those of the first model.

    Args:
        labels: The name of each model.
        models: The tensors of each model by name.
        dtypes: Whether dtypes must be equal; if False, a float tensor still cannot meet an integer one.

    Returns:
        One text for each difference.
    """
    found = []
    first = models[0]
    for label, model in zip(labels[1:], models[1:], strict=True):
        found += [f"{name}: in {labels[0]}, missing in {label}" for name in first if name not in model]
        found += [f"{name}: in {label}, missing in {labels[0]}" for name in model if name not in first]
        for name in (name for name in first if name in model):
            one, other = first[name], model[name]
            free = not dtypes and one.dtype in MERGED_DTYPES and other.dtype in MERGED_DTYPES
            if one.shape != other.shape:
                found.append(f"{name}: shape {list(one.shape)} in {labels[0]}, {list(other.shape)} in {label}")
            elif one.dtype != other.dtype and not free:
                found.append(f"{name}: {_short(one)} in {labels[0]}, {_short(other)} in {label}")
    return found


def config_mismatches(
    labels: Sequence[str], configs: Sequence[Mapping[str, Any] | None], *, ignore: Collection[str] = ()
) -> list[str]:
    """Compare what each config.json says about the computation with the first one.

    A missing key equals one that is null, false or empty. Differences in keys of `NOTED` are logged.

    Args:
        labels: The name of each model.
        configs: The configuration of each model; None where there is none.
        ignore: Keys that may differ, such as "rope_theta" or, for a nested key, "text_config.rope_theta".

    Returns:
        One text for each difference.
    """
    given = [(label, _unified(config)) for label, config in zip(labels, configs, strict=True) if config is not None]
    found: list[str] = []
    for label, config in given[1:]:
        differing = {
            key: f"{key} is {_said(one)} in {given[0][0]}, {_said(other)} in {label}"
            for key, one, other in _differences(given[0][1], config)
            if _matters(last := key.rsplit(".", 1)[-1]) and key not in ignore and last not in ignore
        }
        if kinds := [key for key in _KINDS if key in differing]:
            differing = {key: differing[key] for key in kinds}  # that all else differs as well says nothing more
        noted = [text for key, text in differing.items() if key.rsplit(".", 1)[-1] in NOTED]
        found += [f"config.json: {text}" for text in differing.values() if text not in noted]
        if noted:
            _log.warning("config.json: {}. The models are merged all the same.", "; ".join(noted))
    return found


def tokenizer_mismatches(labels: Sequence[str], folders: Sequence[Path | None]) -> list[str]:
    """Compare each vocabulary with that of the first model that has one.

    Args:
        labels: The name of each model.
        folders: The folder of each tokenizer; None where there is none.

    Returns:
        One text for each difference.
    """
    first: tuple[str, Path] | None = None
    found = []
    for label, folder in zip(labels, folders, strict=True):
        if folder is None or not any((folder / name).is_file() for name in ("tokenizer.json", *_VOCABULARIES)):
            continue
        if first is None:
            first = (label, folder)
        else:
            found += _tokenizers(*first, label, folder)
    return found


def _short(tensor: TensorInfo) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _said(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _matters(key: str) -> bool:
    if key.startswith("_"):
        return key == "_class_name"
    return key not in IGNORED and "dropout" not in key and "layerdrop" not in key


def _unified(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config as transformers 5 writes it, in which keys that were left out have the value derived from others."""
    unified = {
        key: _unified(value) if key.endswith("_config") and isinstance(value, Mapping) else value
        for key, value in config.items()
    }
    heads, hidden = unified.get("num_attention_heads"), unified.get("hidden_size")
    if isinstance(heads, int) and isinstance(hidden, int) and heads and hidden % heads == 0:
        for key, value in (("head_dim", hidden // heads), ("num_key_value_heads", heads)):
            unified[key] = value if unified.get(key) is None else unified[key]
    if "rope_theta" in unified and "rope_parameters" not in unified:
        scaling = dict(unified.pop("rope_scaling", None) or {"rope_type": "default"})
        if "type" in scaling:
            scaling.setdefault("rope_type", scaling.pop("type"))
        unified["rope_parameters"] = {"rope_theta": unified.pop("rope_theta"), **scaling}
    return unified


def _differences(one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    for key in {**one, **other}:
        a, b = one.get(key), other.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping) and key not in NOTED:
            yield from _differences(a, b, f"{prefix}{key}.")
        elif a != b and not (_nothing(a) and _nothing(b)):
            yield prefix + key, a, b


def _nothing(value: Any) -> bool:
    return value is None or value is False or value in ([], {})


def _tokenizers(label: str, folder: Path, other_label: str, other: Path) -> list[str]:
    places = (folder, other)
    names = [name for name in ("tokenizer.json", *_VOCABULARIES) if all((place / name).is_file() for place in places)]
    if not names:
        _log.warning("The tokenizers of {} and {} are stored in different ways: not compared.", label, other_label)
    found = []
    for name in names[:1] if "tokenizer.json" in names else names:
        one, two = (folder / name).read_bytes(), (other / name).read_bytes()
        if one == two:
            continue
        try:
            differing = _contents(name, one, two)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            differing = [f"cannot be compared ({error!r})"]
        found += [f"{name} of {label} and {other_label}: {text}" for text in differing]
    return found


def _contents(name: str, one: bytes, two: bytes) -> list[str]:
    """Compare two files of tokenizers whose bytes differ."""
    if name == "tokenizer.json":
        a, b = parse_json(one), parse_json(two)
        parts = [
            _tokens("vocabulary", _vocabulary(a["model"].get("vocab", {})), _vocabulary(b["model"].get("vocab", {}))),
            _lines("merge", _merges(a["model"].get("merges", [])), _merges(b["model"].get("merges", []))),
            _tokens("added token", *({t["content"]: t["id"] for t in x.get("added_tokens", [])} for x in (a, b))),
        ]
    elif name == "vocab.json":
        parts = [_tokens("vocabulary", parse_json(one), parse_json(two))]
    elif name.endswith(".txt"):
        a, b = ([x for x in text.decode().splitlines() if not x.startswith("#version")] for text in (one, two))
        parts = [_lines("line", a, b)]
    else:
        parts = ["the files differ"]
    return [part for part in parts if part]


def _vocabulary(found: Any) -> dict[str, Any]:
    """Token -> id, or -> [id, score] in vocabularies that list tokens with scores."""
    if isinstance(found, dict):
        return found
    return {piece: [number, score] for number, (piece, score) in enumerate(found)}


def _merges(found: Sequence[Any]) -> list[str]:
    """The merged pairs, each of which may be written as one string or as two."""
    return [pair if isinstance(pair, str) else " ".join(pair) for pair in found]


def _tokens(what: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    differing = [token for token in {**one, **other} if one.get(token) != other.get(token)]
    if not differing:
        return ""
    named = ", ".join(f"{t!r} ({_said(one.get(t))}, {_said(other.get(t))})" for t in differing[:3])
    return f"{what} differs in {len(differing)}, the first are {named}"


def _lines(what: str, one: Sequence[str], other: Sequence[str]) -> str:
    if len(one) != len(other):
        return f"{len(one)} and {len(other)} {what}s"
    place = next((i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), None)
    return "" if place is None else f"{what} {place} is {one[place]!r} and {other[place]!r}"
