"""Reading fairseq's checkpoints without running code from them, and writing one whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.install.checkpoints import CheckpointError, replacing, safe_load

State = dict[str, Any]


def read_checkpoint(path: Path, option: str, *, verify: bool = True) -> State:
    """Read a fairseq checkpoint; tensors stay on disk (mapped) until they are used.

    Args:
        path: the file.
        option: the option that named it, for errors.
        verify: compare every record with its checksum, which PyTorch itself does not do.

    Raises:
        UserError: missing, damaged, not a fairseq checkpoint, or it holds objects other than
            tensors, arrays and settings (these would run code when loaded).
    """
    try:
        with path.open("rb") as file:
            state = safe_load(file, map_location="cpu", mapped=True, verify=verify)
    except CheckpointError as error:
        raise UserError(f"`{option}`: {error}") from error
    except OSError as error:
        raise UserError(
            f"`{option}` {path} must be a checkpoint that can be read, but cannot: "
            f"{error.strerror}."
        ) from error
    model = state.get("model") if isinstance(state, dict) else None
    tensors = model.values() if isinstance(model, dict) else ()
    if not tensors or not all(isinstance(value, torch.Tensor) for value in tensors):
        raise UserError(
            f"`{option}` {path} must be a fairseq checkpoint, but has no `model` of tensors."
        )
    checkpoint: State = state
    return checkpoint


def assistant_state(path: Path, option: str) -> Mapping[str, Any] | None:
    """Return the Assistant's state in a checkpoint, with NumPy's arrays; None if it holds none.

    Raises:
        UserError: as `read_checkpoint`.
    """
    extra = read_checkpoint(path, option).get("extra_state") or {}
    state = (extra.get("train_iterator") or {}).get("autoassist")
    return _as_numpy(state) if isinstance(state, dict) else None


def _as_numpy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_numpy(item) for key, item in value.items()}
    return value.numpy() if hasattr(value, "numpy") else value


def write_checkpoint(state: State, path: Path, option: str) -> None:
    """Write ``state`` to ``path`` whole or not at all: a failure leaves the old file as it was.

    Raises:
        UserError: the folder is missing or cannot be written, or the disk is full.
    """
    try:
        with replacing(str(path)) as part:
            torch.save(state, part)
    except (OSError, RuntimeError) as error:
        # PyTorch's messages go on for paragraphs; the first line says what happened.
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"`{option}` {path} could not be written ({reason}); nothing was changed."
        ) from error
