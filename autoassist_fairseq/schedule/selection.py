"""Whom a pass keeps: the policy's chances against draws that are seeded by window."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.policies.policy import Policy
from autoassist_fairseq.schedule.batches import Batches
from autoassist_fairseq.schedule.passes import Pass
from autoassist_fairseq.schedule.streams import DRAW, stream

Ints = NDArray[Any]


class Selection:
    """Asks the policy, until the Assistant has failed.

    Nothing else asks it, so that nothing does after that.

    Args:
        policy: whose chances count.

    Attributes:
        failed: why the Assistant is no longer asked; "" while it is.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.failed = ""

    def settled(self, now: Pass, window: int) -> bool:
        """Return whether `candidates` are final: unless options have changed since the promise."""
        if self.failed:
            return False
        settings = self.policy.settings
        if now.policy != settings.rule or (now.cut and settings.hopeless == "off"):
            return False
        return self.policy.settles(now.warms(window))

    def candidates(self, now: Pass, window: int) -> Ints:
        """Return the pairs of ``window`` that the policy leaves; the quota decides on the rest."""
        pairs = now.pairs_of(window)
        if now.keep_all or not self.settled(now, window):
            return pairs
        keep = self.policy.keep_probability(pairs, now.warms(window))
        self.policy.note(pairs, keep)
        return pairs[keep > draw(now, window, len(pairs))]

    def margin(self, now: Pass, window: int, pairs: Ints) -> Ints | None:
        """Return keep probability minus draw [P]; the draw alone once the Assistant has failed.

        None if every one of ``pairs`` is to be kept.
        """
        if now.keep_all or self.settled(now, window):
            return None
        drawn = draw(now, window, len(pairs))
        if self.failed:
            return -drawn
        return self.policy.keep_probability(pairs, now.warms(window)) - drawn

    def note(self, now: Pass, window: int, pairs: Ints, margin: Ints | None, kept: Ints) -> None:
        """Tell the policy with which chances the rows ``kept`` [K] of ``pairs`` [P] were kept.

        The quota has moved what the draws are compared with, to the least `margin` that was kept.
        """
        if margin is not None and not self.failed:
            least = margin[kept].min(initial=1.0) if len(kept) < len(pairs) else -1.0
            chances = margin + draw(now, window, len(pairs)) - least
            self.policy.note(pairs, np.clip(chances, 0, 1).astype(np.float32))

    def expected_share(self, pairs: Ints, lengths: Ints, warm: bool = False) -> float:
        """Return the share of the tokens of ``pairs`` [P] that would be kept as things are now."""
        if self.failed:
            return 1.0
        keep = self.policy.keep_probability(pairs, warm)
        return float((keep * lengths).sum(dtype=np.float64) / max(lengths.sum(), 1))

    def weights(self, batches: Batches) -> NDArray[np.float32] | None:
        """Return the weights of the pairs of ``batches`` in the loss; None = all 1."""
        return None if self.failed else self.policy.weights(batches.pairs)

    @property
    def warm(self) -> float:
        """The share of the pass, from its beginning, that warms up, in [0, 1]."""
        return 0.0 if self.failed else self.policy.warm

    @property
    def safeguard(self) -> float:
        """s, in [0, 1]."""
        return 1.0 if self.failed else self.policy.safeguard

    def figures(self, pairs: Ints) -> dict[str, Any]:
        """Return what the policy tells of a window that considers ``pairs``, as in `PlanStats`."""
        threshold, surprise, hopeless = float("nan"), float("inf"), 0
        if not self.failed:
            threshold, surprise = self.policy.threshold, self.policy.surprise_threshold
            hopeless = self.hopeless(pairs)
        return {
            "safeguard": self.safeguard,
            "threshold": threshold,
            "surprise": surprise,
            "hopeless": hopeless,
        }

    def hopeless(self, pairs: Ints) -> int:
        """Return how many of ``pairs`` [P] are hopeless."""
        return 0 if self.failed else int(self.policy.hopeless(pairs).sum())


def draw(now: Pass, window: int, count: int) -> NDArray[np.float32]:
    """Return a draw in [0, 1) for each of the first ``count`` pairs of ``window``."""
    return stream(DRAW, now.seed, now.index, window).random(count, np.float32)
