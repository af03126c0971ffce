"""Things that are rows of numbers, each of a class: images, say, instead of sentence pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Vectors:
    """A training set of such rows; what is called a pair elsewhere is a row here.

    Attributes:
        values: [P, F] numbers of any type.
        classes: [P] in [0, ``count``).
        count: number of classes.
        check: raises `UserError` if the files behind the rows are not what they were.
    """

    values: NDArray[Any]
    classes: NDArray[np.int64]
    count: int
    check: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self.values)
