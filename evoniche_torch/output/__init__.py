"""Merged models as folders: their weights, recipe.json, the model card, and the picture of a merge."""

from evoniche_torch.output.adapter_writer import check_adapters, write_adapter
from evoniche_torch.output.checkpoint_writer import holds_merge, rewrite_checkpoint, write_checkpoint
from evoniche_torch.output.hub import check_hub, push_to_hub
from evoniche_torch.output.output_folder import check_output_folder
from evoniche_torch.output.provenance import draw_merge
from evoniche_torch.output.recipe_file import OUTPUT_DTYPES, Card, read_recipe
from evoniche_torch.output.safetensors_writer import parse_size

__all__ = [
    "OUTPUT_DTYPES",
    "Card",
    "check_adapters",
    "check_hub",
    "check_output_folder",
    "draw_merge",
    "holds_merge",
    "parse_size",
    "push_to_hub",
    "read_recipe",
    "rewrite_checkpoint",
    "write_adapter",
    "write_checkpoint",
]
