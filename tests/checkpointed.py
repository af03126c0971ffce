"""The Assistant's state inside checkpoints: read, measured, and changed by hand."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

State = dict[str, Any]


def load(path: Path) -> dict[str, Any]:
    """Return a whole checkpoint."""
    return dict(torch.load(path, weights_only=False))


def state_in(path: Path) -> State:
    """Return the Assistant's state in a checkpoint."""
    return dict(load(path)["extra_state"]["train_iterator"]["autoassist"])


def stored(state: State) -> bytes:
    """Return what ``torch.save`` makes of a state."""
    torch.save(state, file := io.BytesIO())
    return file.getvalue()


def leaves(value: Any) -> Iterator[Any]:
    """Yield everything in a state that is no container."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(name)
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def with_changed_state(path: Path, folder: Path, change: Callable[[State], object]) -> Path:
    """Copy a checkpoint into ``folder`` as its last one, with the Assistant's state changed."""
    checkpoint = load(path)
    change(checkpoint["extra_state"]["train_iterator"]["autoassist"])
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, folder / "checkpoint_last.pt")
    return folder
