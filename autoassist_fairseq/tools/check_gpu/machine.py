"""What a table is of: device, driver, versions, commit, and a digest of the code."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import autoassist_fairseq
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep.manifest import version_of

PACKAGE = Path(autoassist_fairseq.__file__).parent


@dataclass(frozen=True)
class Device:
    """What there is to compute on.

    Attributes:
        name: of the GPU, or what stands for it.
        gpus: how many; 0 = the CPU is meant.
        memory: bytes of the first one.
    """

    name: str
    gpus: int = 0
    memory: int = 0


def find_device(wanted: str) -> Device:
    """Return the device that ``--device`` asks for.

    Raises:
        UserError: there is none.
    """
    if wanted == "cpu":
        return Device("CPU")
    import torch  # takes seconds, and mistakes in the options come first

    if not torch.cuda.is_available():
        raise UserError(
            "`--device` must be one that torch sees, but cuda is not available here; run this on "
            "a machine with a GPU, or use `--device cpu` for a dry run."
        )
    first = torch.cuda.get_device_properties(0)
    return Device(str(first.name), torch.cuda.device_count(), int(first.total_memory))


def describe(device: Device) -> dict[str, str]:
    """Return what rows belong to: those of another machine, or of other code, are not these."""
    return {
        "device": device.name if device.gpus < 2 else f"{device.gpus} x {device.name}",
        "driver": _asked("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
        if device.gpus
        else "none",
        "cores": str(len(os.sched_getaffinity(0))),
        "python": platform.python_version(),
        **{name: version_of(name) for name in ("torch", "fairseq", "numpy", "numba")},
        "commit": _asked("git", "-C", str(PACKAGE.parent), "rev-parse", "--short", "HEAD"),
        "code": code_digest(),
    }


def _asked(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return " ".join(sorted(set(done.stdout.split()))) or "unknown"


def code_digest() -> str:
    """Return a digest of all code of this package, committed or not."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
