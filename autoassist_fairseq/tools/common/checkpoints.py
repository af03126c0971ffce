"""Reading fairseq's checkpoints without running code from them, and writing one whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.languages import Languages
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


def setting(state: State, part: str, name: str) -> Any:
    """Return a setting of the run that wrote a checkpoint; None if there is none of that name."""
    # `cfg` since fairseq 0.10.1, `args` before
    config = (state.get("cfg") or {}).get(part) or state.get("args")
    return config.get(name) if isinstance(config, dict) else getattr(config, name, None)


def languages_in(path: Path, option: str) -> Languages:
    """Return the languages of the run that wrote a checkpoint.

    Raises:
        UserError: as `read_checkpoint`.
    """
    return _languages(read_checkpoint(path, option, verify=False))


def assistant_state(path: Path, option: str) -> Mapping[str, Any] | None:
    """Return the Assistant's state in a checkpoint, with NumPy's arrays; None if it holds none.

    Beside it, as ``run``, what the run was told of its training set.

    Raises:
        UserError: as `read_checkpoint`.
    """
    whole = read_checkpoint(path, option)
    extra = whole.get("extra_state") or {}
    state = (extra.get("train_iterator") or {}).get("autoassist")
    return {**_as_numpy(state), "run": _run(whole)} if isinstance(state, dict) else None


def _languages(state: State) -> Languages:
    return setting(state, "task", "source_lang"), setting(state, "task", "target_lang")


def _run(state: State) -> dict[str, Any]:
    limits = {
        side: [setting(state, part, f"max_{side}_positions") for part in ("task", "model")]
        for side in ("source", "target")
    }
    return {
        "languages": _languages(state),
        "split": setting(state, "dataset", "train_subset") or "train",
        "longest": [min(filter(None, both), default=None) for both in limits.values()],
        "resized": any(
            setting(state, "task", name) for name in ("truncate_source", "num_batch_buckets")
        ),
    }


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
