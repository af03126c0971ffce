"""The image sets: what Table 1 of the paper says of them, and how they are trained on here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.figure5 import readers
from autoassist_fairseq.tools.figure5.images import Images, Pixels, rotated

# Of the angles: every run sees the same rotated images.
ANGLES = 5


@dataclass(frozen=True)
class Kind:
    """An image set.

    Attributes:
        title: for people.
        paper: Table 1's instances, image size and classes; "" = the paper does not have it.
        load: reads (train, test) from the folder given with ``--data``.
        lr, batch, passes, width: what it is trained with by default.
        turned: whether its images are rotated.
    """

    title: str
    paper: str
    load: Callable[[Any], tuple[Images, Images]]
    lr: float
    batch: int
    passes: int
    width: int = 64
    turned: bool = False

    @property
    def embedded(self) -> bool:
        """Whether it needs no ``--data``."""
        return not self.paper


SETS = {
    "digits": Kind("Digits", "", readers.digits, 0.005, 16, 5, 8),
    "digits-rotated": Kind("Rotated digits", "", readers.digits, 0.005, 16, 5, 8, True),
    "mnist": Kind("MNIST", "60,000; 28 x 28; 10", readers.mnist, 0.0005, 16, 20),
    "mnist-rotated": Kind(
        "Rotated MNIST", "60,000; 28 x 28; 10", readers.mnist, 0.0005, 16, 20, 64, True
    ),
    "cifar10": Kind("CIFAR10", "60,000; 32 x 32 x 3; 10", readers.cifar10, 0.005, 16, 20),
    "imagenet": Kind(
        "ImageNet", "1,281,167; 224 x 224 x 3; 1,000", readers.imagenet, 0.0005, 64, 20
    ),
}


@dataclass(frozen=True)
class ImageSet:
    """A set that was read."""

    name: str
    train: Images
    test: Images

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(max(self.train.labels.max(), self.test.labels.max())) + 1

    @property
    def found(self) -> str:
        """What Table 1 says of a set, of this one."""
        shape = self.train.read(np.arange(1)).shape[1:]
        size = " x ".join(str(side) for side in shape if side > 1)
        train, test = len(self.train.labels), len(self.test.labels)
        return f"{train:,} + {test:,}; {size}; {self.classes:,}"


def read(name: str, data: Path | None) -> ImageSet:
    """Read the set ``name``; `UserError` if that cannot be done."""
    kind = SETS[name]
    if not kind.embedded and data is None:
        raise UserError(
            f"`--data` must be given for `--set {name}`, but is not; give the folder where the "
            f"files of {kind.title} lie."
        )
    train, test = kind.load(data)
    if kind.turned and isinstance(train, Pixels) and isinstance(test, Pixels):
        return ImageSet(name, rotated(train, ANGLES), rotated(test, ANGLES))
    return ImageSet(name, train, test)
