"""The Assistant's state inside checkpoints: read, measured, and changed by hand."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

State = dict[str, Any]

# An empty buffer, and the encoder's copies of its own weights, which fairseq fills when it loads.
UNTRAINED = re.compile(r"_float_tensor|(in_proj|out_proj|fc1|fc2)_(weight|bias)$")


def load(path: Path) -> dict[str, Any]:
    """Return a whole checkpoint."""
    return dict(torch.load(path, weights_only=False))


def state_in(path: Path) -> State:
    """Return the Assistant's state in a checkpoint."""
    return dict(load(path)["extra_state"]["train_iterator"]["autoassist"])


def unlike(folder: Path, other: Path) -> list[str]:
    """Return the checkpoints of ``folder`` whose model or Assistant is not that in ``other``."""
    return [
        path.name
        for path in sorted(folder.glob("*.pt"))
        if not _alike(load(path), load(other / path.name))
    ]


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    sums = {
        whole["extra_state"]["train_iterator"]["autoassist"]["checksum"] for whole in (one, other)
    }
    same = all(
        torch.equal(tensor, other["model"][name])
        for name, tensor in one["model"].items()
        if not UNTRAINED.search(name)
    )
    return same and len(sums) == 1


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
