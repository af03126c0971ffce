"""``random``: some of the pairs, whichever they are."""

from __future__ import annotations

import numpy as np

from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies import rules
from autoassist_fairseq.assistant.policies.policy import Moment
from autoassist_fairseq.assistant.policies.rules import Floats
from autoassist_fairseq.assistant.policies.warming import Warming


class Random(Warming):
    """``random``: drops ``--autoassist-rate`` of the pairs, whichever they are."""

    def warm_passes(self, moment: Moment) -> float:
        """Return the passes that keep every pair; rates for each pass tell that themselves."""
        return super().warm_passes(moment) if len(self.settings.rate) == 1 else 0.0

    def freeze(self, moment: Moment) -> dict[str, float]:
        """Return the rate."""
        return {"rate": rules.rate_of_pass(self.settings.rate, moment.index)}

    def aimed(self, pairs: Ints, tokens: Ints, share: float) -> dict[str, float]:
        """Return the rate that drops the rest."""
        return {"rate": 1 - share}

    def chances(self, pairs: Ints) -> Floats:
        """Return 1 - rate [P]."""
        return np.full(len(pairs), 1 - self.frozen["rate"], np.float32)
