"""State in types that torch loads with ``weights_only=True``: arrays travel as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from autoassist_fairseq.errors import StateError

FORMAT = 1


def pack(state: dict[str, Any]) -> dict[str, Any]:
    """Return ``state`` with tensors for arrays, and the version of its format."""
    return {"format": FORMAT, **_convert(state, np.ndarray, torch.from_numpy)}


def unpack(state: dict[str, Any]) -> dict[str, Any]:
    """Undo `pack`; `StateError` for a format that this version does not know."""
    if state.get("format") != FORMAT:
        raise StateError(
            f"`--restore-file` must hold an Assistant of format {FORMAT}, but holds format "
            f"{state.get('format')!r}; use the version of autoassist_fairseq that wrote it, or go "
            "on without it with `--reset-dataloader`."
        )
    plain: dict[str, Any] = _convert(state, torch.Tensor, lambda tensor: tensor.numpy())
    return plain


def _convert(value: Any, kind: type, change: Any) -> Any:
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, dict):
        return {key: _convert(item, kind, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_convert(item, kind, change) for item in value]
    return value
