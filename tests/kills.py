"""SIGKILL at chosen places of a run, or at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from training import Run

KILLED = -9

Place = tuple[int, ...]  # pass, update in the pass, and micro-batch where one is meant


@dataclass(frozen=True)
class Kill:
    """SIGKILL for one rank, right after one of its micro-batches.

    Attributes:
        rank: who is killed.
        place: (pass, update, micro-batch).
    """

    rank: int
    place: Place

    @property
    def probe(self) -> dict[str, Any]:
        """What `train_probe` is told."""
        return {
            "rank": self.rank,
            **dict(zip(("pass", "update", "micro"), self.place, strict=True)),
        }


@dataclass(frozen=True)
class Moment:
    """SIGKILL for one rank at any moment: while it starts, plans, trains, validates or saves.

    Attributes:
        rank: who is killed.
        seconds: after its start.
    """

    rank: int
    seconds: float

    @property
    def probe(self) -> dict[str, Any]:
        """What `train_ranks` is told."""
        return {"rank": self.rank, "seconds": self.seconds}


def micro_batches(runs: Sequence[Run]) -> list[Place]:
    """Return the places of all micro-batches of one rank, in order."""
    return [tuple(event["place"]) for event in runs[0].of("batch")]


def choose_kills(runs: Sequence[Run], rng: np.random.Generator) -> list[Kill]:
    """Draw kill points in an unbroken run of two passes or more, in order.

    One early in its first pass (where plans wait, and batches are left over), one at
    the end of that pass, one in the middle of the others, and one in the last window of all.
    """
    places, ranks = micro_batches(runs), len(runs)
    begin, last = places[0][0], places[-1][0]
    plans = [event for event in runs[0].of("planned") if event["pass"] == last]
    last_window = max(event["first"] for event in plans if event["updates"])
    first = [place for place in places if place[0] == begin]
    others = [place for place in places if place[0] > begin]
    parts = [
        first[len(first) // 10 : len(first) // 3],
        [first[-1], others[0]],
        [place for place in others[1:] if place[:2] < (last, last_window)],
        [place for place in others if place[:2] >= (last, last_window)],
    ]
    draw = [part[int(rng.integers(len(part)))] for part in parts]
    return [Kill(int(rng.integers(ranks)), place) for place in draw]
