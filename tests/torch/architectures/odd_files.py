"""Files as people have them: written by older versions, or by other libraries."""

from functools import partial

import torch
from architecture_check import Entry
from tiny_configs import tiny_config


def _llama(**options):
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(tiny_config(LlamaConfig, options))


def _tied():
    return _llama(tie_word_embeddings=True)


def _bert(head, **options):
    import transformers

    return getattr(transformers, head)(tiny_config(transformers.BertConfig, options))


def _gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(tiny_config(GPT2Config))


def _old_rotations(tensors, _):
    """As Llama-2 lies on the hub: each layer with its frequencies, which are the same in all models."""
    for layer in range(2):
        tensors[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = torch.arange(1, 5).reciprocal()


def _old_masks(tensors, _):
    for layer in range(2):
        tensors[f"transformer.h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
        tensors[f"transformer.h.{layer}.attn.bias"] = torch.ones(1, 1, 64, 64, dtype=torch.bool).tril()


def _old_names(tensors, seed):
    """As the first BERT lies on the hub: gamma and beta, positions, and a head for the next sentence."""
    for name in [name for name in tensors if "LayerNorm" in name]:
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        tensors[old] = tensors.pop(name)
    tensors["bert.embeddings.position_ids"] = torch.arange(64)[None]
    tensors["cls.seq_relationship.weight"] = torch.full((2, 32), seed + 0.5, dtype=torch.bfloat16)
    tensors["cls.seq_relationship.bias"] = torch.full((2,), seed + 0.25, dtype=torch.bfloat16)


def _value_head(tensors, seed):
    """As libraries of reinforcement learning save a policy: with the head of its critic."""
    tensors["v_head.summary.weight"] = torch.full((1, 32), seed + 0.5, dtype=torch.bfloat16)
    tensors["v_head.summary.bias"] = torch.full((1,), seed + 0.25, dtype=torch.bfloat16)


def _stored_twice(tensors, _):
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()


def _twice_in_first(tensors, seed):
    if seed == 0:
        _stored_twice(tensors, seed)


def _twice_in_second(tensors, seed):
    if seed == 1:
        _stored_twice(tensors, seed)


def _equal_in_first(tensors, seed):
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] * (1 + seed)


def _without_prefix(tensors, _):
    for name in [name for name in tensors if name.startswith("model.")]:
        tensors[name.removeprefix("model.")] = tensors.pop(name)


def of_files():
    """Files as people have them: written by older versions, or by other libraries."""
    masked = partial(_bert, "BertForMaskedLM")
    return [
        Entry("Llama-2 with inv_freq", _llama, {"edit": _old_rotations}),
        Entry("Llama-2 with inv_freq in .bin files", _llama, {"edit": _old_rotations, "torch_files": True}),
        Entry("GPT-2 with masked_bias", _gpt2, {"edit": _old_masks}),
        Entry("BERT with gamma, beta, position_ids, next-sentence head", masked, {"edit": _old_names}),
        Entry("a policy with v_head", _llama, {"edit": _value_head}),
        Entry("a reward model", partial(_reward, "LlamaForSequenceClassification")),
        Entry("tied weights stored once", _tied),
        Entry("tied weights stored twice", _tied, {"edit": _stored_twice}),
        Entry("tied weights stored twice in the first model", _tied, {"edit": _twice_in_first}),
        Entry("tied weights stored twice in the second model", _tied, {"edit": _twice_in_second}),
        Entry("weights that are equal in the first model alone", _tied, {"edit": _equal_in_first}),
        Entry("tied by config, stored twice and different", _tied, {"edit": _untied}),
        Entry("names without the base model's prefix", _tied, {"edit": _without_prefix}),
    ]  # fmt: skip


def _untied(tensors, seed):
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] * 2 + seed


def _reward(head):
    import transformers

    return getattr(transformers, head)(tiny_config(transformers.LlamaConfig, {"num_labels": 1}))
