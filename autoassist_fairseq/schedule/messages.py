"""What crosses the border between the Boss's thread and the Assistant's."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# In a feedback's losses: the loss never came or was not finite (OOM, overflow).
MISSING = np.float32(-1)


@dataclass(frozen=True)
class Feedback:
    """The Boss's losses of one update.

    Attributes:
        pass_index: the pass, from 1.
        update: number within the pass, from 0.
        losses: [P] nats per target token, in plan order; negative = missing.
    """

    pass_index: int
    update: int
    losses: NDArray[np.float32]


@dataclass(frozen=True)
class Settle:
    """Asks the Assistant to say when everything sent before is learned, and planned upon."""

    done: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Stop:
    """Asks the Assistant's thread to end."""


@dataclass(frozen=True)
class Failure:
    """The Assistant's thread ended with an error, which the reader raises."""

    cause: BaseException
