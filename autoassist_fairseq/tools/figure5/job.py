"""One run: a set, a policy, a seed; what it left behind when it was stopped, or done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.schedule.planner_state import convert
from autoassist_fairseq.settings import Settings
from autoassist_fairseq.tools.common.files import read_json, staged, write_json

DONE, CHECKPOINT = "done.json", "checkpoint.pt"


@dataclass(frozen=True)
class Job:
    """A run.

    Attributes:
        set: name of the images.
        settings: of the policy; its seed is that of weights, order and draws.
        depth, width, lr, momentum, batch: of the Boss and its optimizer.
        updates: after which it ends.
        every: updates between two tests.
        device: where the Boss runs.
        threads: of the processor that torch uses.
        out: folder of all runs.
    """

    set: str
    settings: Settings
    depth: int
    width: int
    lr: float
    momentum: float
    batch: int
    updates: int
    every: int
    device: str
    threads: int
    out: Path

    @property
    def name(self) -> str:
        """Tells it from the others."""
        return f"{self.set}-{self.settings.policy}-{self.settings.seed}"

    @property
    def folder(self) -> Path:
        """Where it leaves what it found."""
        return self.out / self.name

    def account(self, digest: str) -> dict[str, Any]:
        """Return what its results depend on, in plain types; ``digest`` is of its images."""
        told = {name: value for name, value in asdict(self).items() if name != "out"}
        told["settings"] = {
            name: list(v) if isinstance(v, tuple) else v for name, v in told["settings"].items()
        }
        return {**told, "images": digest}


def finished(job: Job, account: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a run that is done found, else None; `UserError` if it was another run."""
    content = read_json(job.folder / DONE)
    if content is None:
        return None
    _same(job, content["account"], account)
    found: dict[str, Any] = content["found"]
    return found


def finish(job: Job, account: dict[str, Any], found: dict[str, Any]) -> None:
    """Write down what a run ``found``; its checkpoint goes."""
    write_json(job.folder / DONE, {"account": account, "found": found})
    (job.folder / CHECKPOINT).unlink(missing_ok=True)


def save(job: Job, account: dict[str, Any], state: dict[str, Any]) -> None:
    """Write a checkpoint with ``state``, in place of the one before."""
    import torch

    whole = {"account": account, **convert(state, np.ndarray, torch.from_numpy)}
    with staged(job.folder / CHECKPOINT) as part:
        torch.save(whole, part)


def load(job: Job, account: dict[str, Any]) -> dict[str, Any] | None:
    """Return the ``state`` that was saved last; None if there is none."""
    import torch

    path = job.folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        _same(job, state["account"], account)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"`--out` must hold whole checkpoints, but {path} is damaged ({type(error).__name__}); "
            "remove it, and that run begins anew."
        ) from error
    return state


def _same(job: Job, before: dict[str, Any], now: dict[str, Any]) -> None:
    differ = sorted(name for name in now if before.get(name) != now[name])
    if differ:
        raise UserError(
            f"`--out` must hold runs of the same command, but {job.folder} was made with other "
            f"{', '.join(differ)}; give the options that it began with, or another folder."
        )
