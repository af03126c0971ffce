"""Images with their classes, in memory or in files; and small copies of them for the Assistant."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.tools.common.progress import progress

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

# Side of the copies that the Assistant looks at, and how many images are read at a time.
SMALL, CHUNK = 8, 2048


class Images(Protocol):
    """Some images."""

    @property
    def labels(self) -> Ints:
        """[N] classes, from 0."""

    def read(self, rows: Ints) -> Bytes:
        """Return the images ``rows`` [B]: [B, height, width, channels]."""


@dataclass(frozen=True)
class Pixels:
    """Images in memory: ``values`` [N, height, width, channels]."""

    values: Bytes
    labels: Ints

    def read(self, rows: Ints) -> Bytes:
        """Return the images ``rows`` [B]."""
        return self.values[rows]


@dataclass(frozen=True)
class Files:
    """Images in files, read when they are asked for; ``load`` makes an array of one."""

    paths: Sequence[Path]
    labels: Ints
    load: Callable[[Path], Bytes]

    def read(self, rows: Ints) -> Bytes:
        """Return the images ``rows`` [B]."""
        return np.stack([self.load(self.paths[row]) for row in rows])

    @property
    def digest(self) -> str:
        """Tells these files from others, and from what they were: by names, sizes and times."""
        digest = hashlib.sha256(b"%d" % SMALL)
        for path in self.paths:
            about, name = path.stat(), "/".join(path.parts[-2:])  # the same wherever they lie
            digest.update(f"{name}\0{about.st_size} {about.st_mtime_ns}\n".encode(errors="replace"))
        return digest.hexdigest()


def small(images: Images) -> Bytes:
    """Return copies [N, F] of ``images``, averaged down to at most `SMALL` pixels a side."""
    import torch

    def shrunk(rows: Ints) -> Any:
        planes = torch.from_numpy(images.read(rows)).permute(0, 3, 1, 2).float()
        sides = min(SMALL, planes.shape[2]), min(SMALL, planes.shape[3])
        return torch.nn.functional.adaptive_avg_pool2d(planes, sides).flatten(1).round().byte()

    parts = np.array_split(np.arange(len(images.labels)), -(-len(images.labels) // CHUNK))
    return np.concatenate(
        [shrunk(rows).numpy() for rows in progress(parts, "small copies", "part")]
    )


def upsampled(values: Bytes, side: int) -> Bytes:
    """Return images [N, H, W, C] as [N, side, side, C], bilinearly."""
    import torch

    planes = torch.from_numpy(values).permute(0, 3, 1, 2).float()
    large = torch.nn.functional.interpolate(planes, size=(side, side), mode="bilinear")
    out: Bytes = large.round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    return out


def rotated(images: Pixels, seed: int) -> Pixels:
    """Return ``images``, each turned by an angle of its own, drawn from the whole circle."""
    import torch

    angles = np.random.default_rng([seed, len(images.labels)]).uniform(
        0, 2 * np.pi, len(images.labels)
    )
    parts = []
    for begin in range(0, len(angles), CHUNK):
        angle = torch.from_numpy(angles[begin : begin + CHUNK]).float()
        zero, cos, sin = torch.zeros_like(angle), angle.cos(), angle.sin()
        turn = torch.stack([cos, -sin, zero, sin, cos, zero], 1).view(-1, 2, 3)
        planes = torch.from_numpy(images.values[begin : begin + CHUNK]).permute(0, 3, 1, 2).float()
        grid = torch.nn.functional.affine_grid(turn, list(planes.shape), align_corners=False)
        turned = torch.nn.functional.grid_sample(planes, grid, align_corners=False)
        parts.append(turned.round().byte().permute(0, 2, 3, 1).numpy())
    return Pixels(np.concatenate(parts), images.labels)
