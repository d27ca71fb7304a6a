"""Finds the tensors of a model that have a row for each token: embeddings, heads, and the biases of heads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from evoniche_torch.files.tensor_index import MERGED_DTYPES, TensorInfo

__all__ = [
    "config_parts", "is_head", "lies_across", "row_count", "ties_words", "vocabulary_size", "vocabulary_tensors",
]  # fmt: skip

_EMBEDDINGS = r"embed_tokens|tok_embeddings|tokens_embed|word_embeddings|word_embedding|wte|embed_in|shared|embedding"
_HEADS = r"lm_head|embed_out|output|decoder|generator_lm_head|predictions|lm_loss|proj_out|cls|vocab_projector"
_EMBEDDING = re.compile(rf"(?:^|\.)(?:{_EMBEDDINGS})\.weight$")
_HEAD = re.compile(rf"(?:^|\.)(?:{_HEADS})\.(?:weight|bias)$|(?:^|\.)final_logits_bias$")


def is_head(name: str) -> bool:
    """Tell whether a tensor is called like the head of a language model, or its bias."""
    return _HEAD.search(name) is not None


def vocabulary_tensors(config: Mapping[str, Any] | None, tensors: Mapping[str, TensorInfo]) -> dict[str, int]:
    """Find the tensors with a row for each token.

    Args:
        config: The contents of config.json.
        tensors: The tensors of the model by name.

    Returns:
        The name of each -> the number of its rows; nothing where the model has no vocabulary.
    """
    sizes = {tensors[name].shape[0] for name in tensors if _EMBEDDING.search(name) and tensors[name].shape}
    if (stated := vocabulary_size(config)) in sizes:
        sizes = {stated}
    elif stated is not None and len(sizes) > 1:  # an encoder and a decoder with vocabularies of their own, say
        return {}
    found = {}
    for name, tensor in tensors.items():
        fits = _EMBEDDING.search(name) or is_head(name)
        if fits and tensor.dtype in MERGED_DTYPES and tensor.shape and row_count(tensor) in sizes:
            found[name] = row_count(tensor)
    return found


def row_count(tensor: TensorInfo) -> int:
    """The number of tokens of such a tensor, which is (tokens, ...) or, for some biases, (1, tokens)."""
    return tensor.shape[1] if lies_across(tensor) else tensor.shape[0]


def lies_across(tensor: TensorInfo) -> bool:
    """Whether a tensor is a bias of the shape (1, tokens)."""
    return len(tensor.shape) == 2 and tensor.shape[0] == 1


def vocabulary_size(config: Mapping[str, Any] | None) -> int | None:
    """The number of tokens that config.json states; None where it does not."""
    sizes = [part["vocab_size"] for part in config_parts(config) if isinstance(part.get("vocab_size"), int)]
    return sizes[0] if sizes else None


def ties_words(config: Mapping[str, Any] | None) -> bool | None:
    """Whether config.json ties the embedding and the head; None where it does not say."""
    said = [part["tie_word_embeddings"] for part in config_parts(config) if "tie_word_embeddings" in part]
    return None if not said else True in said


def config_parts(config: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The config itself, and that of the language model in it where there is one."""
    parts = [config, (config or {}).get("text_config")]
    return [part for part in parts if isinstance(part, Mapping)]
