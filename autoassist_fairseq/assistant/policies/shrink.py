"""``shrink``: the paper's rule."""

from __future__ import annotations

from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies.rules import Floats
from autoassist_fairseq.assistant.policies.warming import Warming


class Shrink(Warming):
    """``shrink``: the paper's rule, from what the Assistant believes at the moment."""

    settled = False

    def chances(self, pairs: Ints) -> Floats:
        """Return s + (1 - s) g [P]."""
        return self.assistant.keep_probability(pairs)
