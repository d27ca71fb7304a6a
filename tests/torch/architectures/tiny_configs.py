"""Makes a tiny model of any architecture of transformers: its own default config with every size replaced."""

import dataclasses
import re

HIDDEN, HEADS, LAYERS, WORDS = 32, 4, 2, 120

# The first expression that is the whole of a field's name says its value. A tuple stays one, of the same length.
SIZES = [
    (r"vocab_size|n_vocab|vocabulary_size|.*_vocab_size|vocab_size_.*", WORDS),
    (r"type_vocab_size", 2),
    (r"pad_token_id", 0),
    (r"bos_token_id|decoder_start_token_id|cls_token_id", 1),
    (r"eos_token_id|sep_token_id|forced_eos_token_id", 2),
    (r"hidden_sizes?|d_model|n_embd|embed_dim|embedding_size|.*hidden_size|hidden_dim|dim|.*_hidden_dim|projection_dim"
     r"|.*_embed_dim|d_embed|model_dim|embedding_dim|encoder_dim|n_state|width|attention_hidden_size|channels", HIDDEN),
    (r".*moe_intermediate_size|.*shared_expert_intermediate_size|expert_ffn_hidden_size|moe_ffn_hidden_size", 24),
    (r".*intermediate_size|.*ffn_dim|mlp_dim|n_inner|d_ff|dim_feedforward|.*ffn_hidden_size|encoder_ffn_dim|ffn_size"
     r"|mlp_hidden_size|d_inner|feed_forward_hidden_size|inner_dim", 48),
    (r".*num_hidden_layers|num_layers|n_layers?|.*_layers|encoder_num_layers|num_hidden_groups|depth"
     r"|num_blocks", LAYERS),
    (r".*num_attention_heads|n_heads?|num_heads|.*attention_heads|num_decoder_heads", HEADS),
    (r".*num_key_value_heads|num_kv_heads|n_head_kv|multi_query_group_num", 2),
    (r"head_dim|attention_head_dim|d_kv|d_head|attention_key_dim|v_head_dim|qk_nope_head_dim|qk_rope_head_dim"
     r"|qk_head_dim|global_head_dim|swa_head_dim", 8),
    (r"kv_lora_rank|q_lora_rank", 16),
    (r"num_experts|n_routed_experts|num_local_experts|moe_num_experts|.*num_experts", 4),
    (r"num_experts_per_tok|moe_topk|moe_k|num_experts_per_token|top_k_experts|num_selected_experts", 2),
    (r"n_group|topk_group|first_k_dense_replace", 1),
    (r"max_position_embeddings|n_positions|max_seq_len|max_sequence_length|n_ctx|max_.*_positions|context_length", 64),
    (r"image_size|img_size|input_image_size", 32),
    (r"patch_size", 8),
    (r"num_mel_bins", 16),
    (r"sliding_window|.*window_length|attention_chunk_size", 16),
    (r"num_queries|num_query_tokens|num_detection_tokens", 6),
    (r"rotary_dim", 4),
    (r"full_attention_interval|attn_layer_period", 2),  # else two layers were of one kind
    (r"attn_layer_offset", 1),
]  # fmt: skip


def tiny_config(config_class, overrides=None):
    """A config with all sizes small, those of its parts too.

    Args:
        config_class: A config class of transformers.
        overrides: Field -> value; for parts: name of the part -> such a mapping, with "model_type" for another kind.
    """
    from transformers import CONFIG_MAPPING

    overrides = dict(overrides or {})
    fields = _sizes(config_class)
    if parts := getattr(config_class, "sub_configs", None):
        usual = config_class()
        for name in parts:
            part, inner = getattr(usual, name, None), dict(overrides.pop(name, None) or {})
            kind = CONFIG_MAPPING[inner.pop("model_type")] if "model_type" in inner else type(part)
            if dataclasses.is_dataclass(kind):
                fields[name] = tiny_config(kind, inner).to_dict()
    config = config_class(**fields | overrides)
    _shrink_rotations(config)
    return config


def _sizes(config_class):
    """The fields of a config that are sizes, with their small values."""
    found = {}
    fields = {field.name: field.default for field in dataclasses.fields(config_class) if field.init}
    for name, value in fields.items():
        if isinstance(value, bool) or not isinstance(value, int | tuple | list):
            continue
        small = next((small for rule, small in SIZES if re.fullmatch(rule, name)), None)
        if small is None:
            continue
        if isinstance(value, int):
            found[name] = small if value else value
        elif small == HIDDEN and all(isinstance(item, int) for item in value):
            found[name] = [small * 2 ** min(i, 1) for i in range(len(value))]
    if "kv_lora_rank" in fields and "num_key_value_heads" in found:
        found["num_key_value_heads"] = HEADS  # latent attention has no groups
    return found


def _shrink_rotations(config):
    """Rotations over several axes divide the halves of a head among these."""
    for part in (config, *(getattr(config, name, None) for name in getattr(config, "sub_configs", None) or {})):
        rotations = getattr(part, "rope_parameters", None)
        if isinstance(rotations, dict) and "mrope_section" in rotations:
            size = getattr(part, "head_dim", None) or part.hidden_size // part.num_attention_heads
            half = int(size * rotations.get("partial_rotary_factor", 1)) // 2
            rotations["mrope_section"] = [half - 2 * (half // 3), half // 3, half // 3]
