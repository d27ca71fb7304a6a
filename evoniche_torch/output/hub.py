"""Uploads merged models to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["check_hub", "push_to_hub"]


def check_hub(repository: str) -> None:
    """Find out before any work whether there can be an upload.

    Raises:
        ImportError: huggingface_hub is not installed.
        ValueError: It is no name of a repository, or nobody is logged in.
    """
    hub = _hub()
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise ValueError(f"--push-to-hub must be the name of a repository, such as me/merged: {error}") from error
    if hub.get_token() is None:
        raise ValueError("--push-to-hub needs a login: hf auth login, or the variable HF_TOKEN.")


def push_to_hub(folder: Path, repository: str) -> str:
    """Upload a merged model. A repository that is not there is made, and can be seen by its owner alone.

    Args:
        folder: The folder of the model.
        repository: OWNER/NAME.

    Returns:
        The address of the upload.

    Raises:
        ValueError: The hub refuses it, or cannot be reached. The folder is as it was.
    """
    api = _hub().HfApi()
    try:
        api.create_repo(repository, private=True, exist_ok=True)
        done = api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Merged by evoniche")
    except Exception as error:  # of the network, the hub, or the library that sends the requests
        raise ValueError(f"the merged model is in {folder}, but could not be uploaded to {repository}: "
                         f"{type(error).__name__}: {error}. To try again: hf upload {repository} {folder}") from error
    return str(done)


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError("--push-to-hub needs huggingface_hub: pip install 'evoniche[llm]'.") from error
    return huggingface_hub
