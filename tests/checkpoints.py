"""Checkpoints as fairseq writes them, as far as averaging looks at them."""

from __future__ import annotations

import argparse
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autoassist_fairseq.tools.averaging.command import main
from autoassist_fairseq.tools.common.checkpoints import read_checkpoint


def checkpoint(
    model: dict[str, Any], updates: int = 10, value: float | None = None, **config: object
) -> dict[str, Any]:
    """Return what fairseq saves, as far as averaging looks at it."""
    return {
        "args": None,
        "cfg": {
            "checkpoint": {"best_checkpoint_metric": "loss", **config},
            "model": argparse.Namespace(arch="tiny"),
        },
        "model": OrderedDict(model),
        "optimizer_history": [{"num_updates": updates}],
        "extra_state": {
            "train_iterator": {"epoch": 2, "autoassist": {"losses": torch.ones(9)}},
            "val_loss": value,
            "metrics": {"counts": np.arange(4), "bleu": np.float64(1.5)},
            "ema": {"w": torch.ones(1)},
        },
        "last_optimizer_state": {"state": {0: {"exp_avg": torch.ones(3)}}},
    }


def save(path: Path, model: dict[str, Any], **more: Any) -> str:
    torch.save(checkpoint(model, **more), path)
    return str(path)


def run(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    output = tmp_path / "out.pt"
    assert main(["--output", str(output), "--inputs", *arguments]) == 0
    return read_checkpoint(output, "--inputs")


def run_folder(tmp_path: Path) -> Path:
    """A run of four epochs with update checkpoints between them; epoch e has w = e."""
    where = tmp_path / "run"
    where.mkdir()
    for epoch, loss in enumerate((5.0, 3.0, 2.0, 4.0), 1):
        w = {"w": torch.tensor([float(epoch)])}
        save(where / f"checkpoint{epoch}.pt", w, updates=10 * epoch, value=loss)
        w = {"w": torch.tensor([epoch + 0.5])}
        save(where / f"checkpoint_{epoch + 1}_{10 * epoch + 5}.pt", w, updates=10 * epoch + 5)
    save(where / "checkpoint_last.pt", {"w": torch.tensor([99.0])})
    return where
