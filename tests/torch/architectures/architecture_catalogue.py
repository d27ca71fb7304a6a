"""The architectures of transformers: every one of which it can build a tiny model."""

from functools import partial

import torch
from architecture_check import Entry, NotBuiltError
from tiny_configs import tiny_config

# Which class of an architecture is taken: the first of these for which transformers has one.
HEADS = (
    "MASKED_LM", "SEQ_TO_SEQ_CAUSAL_LM", "IMAGE_TEXT_TO_TEXT", "MULTIMODAL_LM", "CAUSAL_LM", "SPEECH_SEQ_2_SEQ", "CTC",
    "IMAGE_CLASSIFICATION", "OBJECT_DETECTION", "SEMANTIC_SEGMENTATION", "UNIVERSAL_SEGMENTATION", "DEPTH_ESTIMATION",
    "ZERO_SHOT_IMAGE_CLASSIFICATION", "PRETRAINING",
)  # fmt: skip
CLASSES = {"shieldgemma2": "ShieldGemma2ForImageClassification", "detr": "DetrForObjectDetection"}

RESNET = {
    "model_type": "resnet", "embedding_size": 16, "hidden_sizes": [16, 16, 24, 32], "depths": [1, 1, 1, 1],
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}  # fmt: skip
DETR = {"backbone_config": RESNET, "use_timm_backbone": False, "backbone": None, "num_queries": 6}
CONVOLUTIONS = {"conv_dim": (16,) * 7}
MAMBA2 = {"mamba_n_heads": 8, "mamba_d_head": 8}

LINEAR_AND_FULL = {"layer_types": ["linear_attention", "full_attention"]}
ROTATION = {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}}
VISION_ROTATION = {"text_config": ROTATION}

OVERRIDES = {
    "qwen3_next": LINEAR_AND_FULL,
    "qwen3_5_text": LINEAR_AND_FULL,
    "qwen3_5_moe_text": LINEAR_AND_FULL,
    "qwen3_5": {"text_config": LINEAR_AND_FULL},
    "qwen3_5_moe": {"text_config": LINEAR_AND_FULL},
    "kimi_linear": LINEAR_AND_FULL,
    "qwen2_vl": VISION_ROTATION,
    "qwen2_5_vl": VISION_ROTATION,
    "glm4v": VISION_ROTATION,
    "glm_ocr": VISION_ROTATION,
    "paddleocr_vl": VISION_ROTATION,
    "colqwen2": {"vlm_config": VISION_ROTATION},
    "qwen2_vl_text": ROTATION,
    "qwen2_5_vl_text": ROTATION,
    "glm4v_text": ROTATION,
    "rwkv": {"rescale_every": 1},
    "esm": {"vocab_size": 120, "pad_token_id": 0, "mask_token_id": 3},
    "hunyuan_v1_moe": {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "head_dim": 8},
    "hunyuan_v1_dense": {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "head_dim": 8},
    "ministral": {"head_dim": 8},
    "nemotron": {"head_dim": 8},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "deepseek_v2": {"num_experts_per_tok": 2, "n_routed_experts": 4, "n_group": 1, "topk_group": 1},
    "jamba": {"expert_layer_period": 2, "expert_layer_offset": 1},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "mamba2": {"num_heads": 8, "head_dim": 8, "n_groups": 1, "state_size": 16},
    "bamba": {**MAMBA2, "attn_layer_indices": [1]},
    "granitemoehybrid": {**MAMBA2, "layer_types": ["mamba", "attention"]},
    "zamba": {"num_hidden_layers": 3, "n_mamba_heads": 2},
    "zaya": {"num_experts_per_tok": 1},
    "gpt_neo": {"num_layers": 2, "attention_types": [[["global", "local"], 1]]},
    "detr": DETR,
    "conditional_detr": DETR,
    "deformable_detr": DETR,
    "dab-detr": DETR,
    "table-transformer": DETR,
    "donut-swin": {"num_heads": [2, 4], "depths": [1, 1]},
    "swin": {"num_heads": [2, 4], "depths": [1, 1], "window_size": 2, "patch_size": 4},
    "swinv2": {"num_heads": [2, 4], "depths": [1, 1], "window_size": 2, "patch_size": 4},
    "maskformer-swin": {"num_heads": [2, 4], "depths": [1, 1]},
    "swin2sr": {"num_heads": [2, 4], "depths": [1, 1]},
    "pvt": {"num_attention_heads": [1, 2, 2, 2], "hidden_sizes": [16, 32, 32, 32]},
    "pvt_v2": {"num_attention_heads": [1, 2, 2, 2], "hidden_sizes": [16, 32, 32, 32]},
    "glpn": {"num_attention_heads": [1, 2, 2, 2], "hidden_sizes": [16, 32, 32, 32], "decoder_hidden_size": 16},
    "bit": {"hidden_sizes": [32, 32, 32, 32], "depths": [1, 1, 1, 1], "num_groups": 4, "embedding_size": 32},
    "autoformer": {"prediction_length": 4},
    "informer": {"prediction_length": 4},
    "time_series_transformer": {"prediction_length": 4},
    "reformer": {"axial_pos_embds_dim": [16, 16], "axial_pos_shape": [8, 8]},
    "wav2vec2": CONVOLUTIONS,
    "hubert": CONVOLUTIONS,
    "wavlm": CONVOLUTIONS,
    "unispeech": CONVOLUTIONS,
    "unispeech-sat": CONVOLUTIONS,
    "data2vec-audio": CONVOLUTIONS,
    "wav2vec2-conformer": {**CONVOLUTIONS, "vocab_size": 120},
    "wav2vec2-bert": {"vocab_size": 120},
    "speecht5": CONVOLUTIONS,
    "xlm": {"emb_dim": 32},
    "flaubert": {"emb_dim": 32},
    "llama4": {"vision_config": {"projector_input_dim": 32, "projector_output_dim": 32, "vision_output_dim": 32}},
    "vits": {"upsample_initial_channel": 32, "duration_predictor_filter_channels": 16},
    "perceiver": {"d_latents": 32, "num_latents": 8, "num_self_attends_per_block": 2},
    "dpt": {"neck_hidden_sizes": [16, 16, 16, 16], "fusion_hidden_size": 16, "backbone_out_indices": [0, 1, 1, 1]},
    "zoedepth": {"neck_hidden_sizes": [16, 16, 16, 16], "fusion_hidden_size": 16},
    "hiera": {"depths": [1, 1], "embed_dim": 16},
}

# What transformers cannot build here, whatever the sizes: it needs a library that is not among those of the tests.
MOST_NUMBERS = 16_000_000


def of_transformers():
    """All architectures of transformers that can be built tiny, in the order of their names."""
    from transformers import CONFIG_MAPPING
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return [
        Entry(kind, partial(_make, CONFIG_MAPPING, kind, name))
        for kind in sorted(CONFIG_MAPPING_NAMES)
        if (name := class_of(kind)) is not None
    ]


def class_of(kind):
    """The name of the class that is taken for an architecture; None where it has none."""
    from transformers.models.auto import modeling_auto

    tables = [*(f"MODEL_FOR_{head}_MAPPING_NAMES" for head in HEADS), "MODEL_MAPPING_NAMES"]
    found = [CLASSES.get(kind), *(getattr(modeling_auto, table).get(kind) for table in tables)]
    name = next((name for name in found if name), None)
    return name[0] if isinstance(name, list | tuple) else name


def _make(configs, kind, name):
    import transformers

    try:
        config = tiny_config(configs[kind], OVERRIDES.get(kind))
        model_class = getattr(transformers, name)
        with torch.device("meta"):
            size = sum(tensor.numel() for tensor in model_class(config).state_dict().values())
    except Exception as error:
        raise NotBuiltError(" ".join(str(error).split())[:120]) from error
    if size > MOST_NUMBERS:
        raise NotBuiltError(f"no tiny one: {size:,} numbers")
    return model_class(config)
