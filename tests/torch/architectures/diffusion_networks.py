"""Networks of diffusers."""

from functools import partial

from architecture_check import Entry

ATTENTION = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 1}
NETWORKS = {
    "UNet2DModel": {
        "sample_size": 8, "block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4,
        "attention_head_dim": 4, "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    },
    "UNet2DConditionModel": {
        "sample_size": 8, "block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4,
        "attention_head_dim": 4, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "cross_attention_dim": 8,
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    },
    "AutoencoderKL": {"block_out_channels": (8,), "norm_num_groups": 4, "latent_channels": 4},
    "VQModel": {"block_out_channels": (8,), "norm_num_groups": 4, "num_vq_embeddings": 8, "vq_embed_dim": 4},
    "AutoencoderTiny": {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8),
                        "num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)},
    "ControlNetModel": {
        "block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4, "attention_head_dim": 4,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "cross_attention_dim": 8,
        "conditioning_embedding_out_channels": (8, 8),
    },
    "DiTTransformer2DModel": {**ATTENTION, "in_channels": 4, "sample_size": 8, "norm_num_groups": 4,
                              "num_embeds_ada_norm": 10},
    "PixArtTransformer2DModel": {**ATTENTION, "sample_size": 8, "cross_attention_dim": 16, "caption_channels": 8,
                                 "num_embeds_ada_norm": 10, "norm_num_groups": 4},
    "SD3Transformer2DModel": {**ATTENTION, "sample_size": 8, "in_channels": 4, "joint_attention_dim": 8,
                              "caption_projection_dim": 16, "pooled_projection_dim": 8, "out_channels": 4},
    "FluxTransformer2DModel": {**ATTENTION, "in_channels": 4, "num_single_layers": 1, "joint_attention_dim": 8,
                               "pooled_projection_dim": 8, "axes_dims_rope": (4, 2, 2)},
    "PriorTransformer": {**ATTENTION, "embedding_dim": 8, "num_embeddings": 4},
    "AuraFlowTransformer2DModel": {"num_attention_heads": 2, "attention_head_dim": 8, "num_mmdit_layers": 1,
                                   "num_single_dit_layers": 1, "sample_size": 8, "caption_projection_dim": 16,
                                   "joint_attention_dim": 8, "pos_embed_max_size": 64},
    "CogVideoXTransformer3DModel": {**ATTENTION, "in_channels": 4, "out_channels": 4, "time_embed_dim": 8,
                                    "text_embed_dim": 8, "sample_width": 8, "sample_height": 8, "sample_frames": 5},
    "SanaTransformer2DModel": {**ATTENTION, "in_channels": 4, "out_channels": 4, "sample_size": 8, "patch_size": 1,
                               "num_cross_attention_heads": 2, "cross_attention_head_dim": 8,
                               "cross_attention_dim": 16, "caption_channels": 8},
    "LTXVideoTransformer3DModel": {**ATTENTION, "in_channels": 4, "out_channels": 4, "cross_attention_dim": 16,
                                   "caption_channels": 8},
    "WanTransformer3DModel": {**ATTENTION, "in_channels": 4, "out_channels": 4, "text_dim": 8, "freq_dim": 16,
                              "ffn_dim": 32, "attention_head_dim": 12},
    "MotionAdapter": {"block_out_channels": (8, 16), "motion_layers_per_block": 1, "motion_norm_num_groups": 4,
                      "motion_num_attention_heads": 2},
}  # fmt: skip


def of_diffusers():
    """Networks of diffusers."""
    import diffusers

    return [Entry(name, partial(getattr(diffusers, name), **options)) for name, options in NETWORKS.items()]
