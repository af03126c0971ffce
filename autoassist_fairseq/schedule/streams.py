"""Random streams: each purpose has a tag of its own, for NumPy takes [s, 1] and [s, 1, 0] as one.

Every seed is ``[tag, --seed, pass, ...]``, the same on every rank and after a resume.
"""

from __future__ import annotations

import numpy as np

# The order of a pass; who of a window is kept; how its batches are dealt out, first or once more
# after a change of ranks; what `importance` draws from a chunk.
ORDER, DRAW, DEAL, REBASE, CHUNK = range(1, 6)


def stream(tag: int, seed: int, *place: int) -> np.random.Generator:
    """Return the stream for the purpose ``tag`` at ``place`` (pass from 1, window, ...)."""
    return np.random.default_rng([tag, seed, *place])
