"""A small part of the table of architectures: those that are converted most, and files as people have them."""

import pytest
from architecture_catalogue import of_transformers
from architecture_check import check
from diffusion_networks import of_diffusers
from odd_files import of_files

NAMES = {
    "mixtral", "qwen2_moe", "qwen3_next", "deepseek_v3", "jamba", "longcat_flash", "ernie4_5_moe", "llava", "gemma3",
    "qwen2_5_vl", "altclip", "vision-encoder-decoder", "vit", "dinov2", "swin", "segformer", "detr", "esm", "marian",
    "gpt_neox", "rwkv", "t5", "xlnet", "wav2vec2", "UNet2DConditionModel", "SD3Transformer2DModel",
}  # fmt: skip
ENTRIES = [entry for entry in (*of_transformers(), *of_diffusers()) if entry.name in NAMES] + of_files()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.name for entry in ENTRIES])
def test_file_and_live_model_are_the_merge_bit_for_bit(entry):
    outcome = check(entry.name, entry.make, **entry.options)
    assert outcome.passed, outcome


def test_all_names_are_known():
    assert {entry.name for entry in ENTRIES} >= NAMES


def test_an_architecture_whose_loader_changes_numbers_is_refused_by_name():
    entry = next(entry for entry in of_transformers() if entry.name == "zaya")
    outcome = check(entry.name, entry.make, **entry.options)
    assert outcome.file == "ok"
    assert "ZayaForCausalLM cannot be filled with merges" in outcome.live
    assert "balancing_biases, transformers changes numbers (aten." in outcome.live
