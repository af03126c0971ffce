"""``shrink``: the paper's rule."""

from __future__ import annotations

import numpy as np

from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies import rules
from autoassist_fairseq.assistant.policies.keep_share import shrink_for
from autoassist_fairseq.assistant.policies.rules import Floats
from autoassist_fairseq.assistant.policies.warming import Warming


class Shrink(Warming):
    """``shrink``: the paper's rule, from what the Assistant believes at the moment."""

    settled = False

    @property
    def safeguard(self) -> float:
        """s: from the confidence as it is, or frozen for ``--autoassist-keep``."""
        return self.frozen.get("safeguard", self.assistant.safeguard)

    def aimed(self, pairs: Ints, tokens: Ints, share: float) -> dict[str, float]:
        """Return the safeguard rate, and what g is scaled by."""
        doubt = 1 - self.assistant.confidence.value
        believed = self.assistant.not_trivial(pairs)
        safeguard, scale = shrink_for(share, believed, tokens, doubt)
        return {"safeguard": safeguard, "scale": scale}

    def chances(self, pairs: Ints) -> Floats:
        """Return s + (1 - s) g [P]; with ``--autoassist-keep`` g is scaled."""
        if "scale" not in self.frozen:
            return self.assistant.keep_probability(pairs)
        believed = self.assistant.not_trivial(pairs) * self.frozen["scale"]
        return rules.shrink(believed.astype(np.float32), self.frozen["safeguard"])
