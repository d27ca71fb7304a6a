"""Brings a live model to the vocabulary of a merge."""

from __future__ import annotations

import shutil
from pathlib import Path

from evoniche_torch.files import MergeError, write_vocabulary_files
from evoniche_torch.models.checkpoint_seeds import CheckpointSeeds
from evoniche_torch.models.pretrained import PretrainedModel

__all__ = ["fit_vocabulary"]


def fit_vocabulary(model: PretrainedModel, seeds: CheckpointSeeds, folder: Path) -> None:
    """Give a model the rows of a merge of models whose vocabularies differ, and its tokenizer.

    Afterwards `model.name_or_path` is the folder, so that `AutoTokenizer.from_pretrained(model.name_or_path)` and
    lm-evaluation-harness find the tokenizer of the merge. Nothing is done where the vocabularies are equal.

    Args:
        model: A model that was loaded from `seeds.stored_folder`.
        seeds: The models that are merged.
        folder: A folder for the tokenizer, which has to stay as long as the model is in use.

    Raises:
        MergeError: The library cannot resize the model.
    """
    if (vocabulary := seeds.vocabulary) is None:
        return
    for name, file in seeds.stored_folder.copies.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / name)
    write_vocabulary_files(folder, vocabulary, seeds.folders, vocabulary.owner)
    module = model.module
    resize = getattr(module, "resize_token_embeddings", None)
    if resize is None:
        raise MergeError(f"{type(module).__name__} has no resize_token_embeddings, so it cannot be scored with the "
                         "vocabulary of a merge.")  # fmt: skip
    training = module.training
    resize(vocabulary.size, mean_resizing=False)
    module.train(training)
    for holder in (module, getattr(module, "config", None)):
        if holder is not None:
            holder.name_or_path = str(folder)
