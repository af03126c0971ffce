"""``competence``: a curriculum by length or rarity."""

from __future__ import annotations

import numpy as np

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.assistant.corpus.difficulty import difficulty
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies import rules
from autoassist_fairseq.assistant.policies.policy import Moment, Policy
from autoassist_fairseq.assistant.policies.rules import Floats
from autoassist_fairseq.settings import Settings


class Competence(Policy):
    """``competence``: the easiest pairs, more of them as training goes on; no warm-up."""

    def __init__(self, assistant: Assistant, settings: Settings, ids: PairIds) -> None:
        super().__init__(assistant, settings, ids)
        corpus = assistant.model.corpus
        self._hardness: Floats = np.full(len(corpus), np.inf, np.float32)
        for some in ids.blocks():
            self._hardness[some] = difficulty(corpus, some, settings.difficulty)

    def begin(self, moment: Moment) -> None:
        """Freeze how hard the pairs of this pass may be; they always fill an update."""
        share = max(rules.competence(moment.trained, self.settings.pace), moment.least)
        limit, ties = rules.easiest(self._hardness, round(share * len(self.ids)))
        self.frozen = {"limit": limit, "last": float(ties)}

    def keep_probability(self, pairs: Ints, warm: bool = False) -> Floats:
        """Return 1 for pairs that are open, else 0 [P]; of those as hard as the limit, the first.

        (All, before a pass has begun.)
        """
        limit, hardness = self.frozen.get("limit", np.inf), self._hardness[pairs]
        open_ties = (hardness == limit) & (pairs <= self.frozen.get("last", np.inf))
        keep: Floats = ((hardness < limit) | open_ties).astype(np.float32)
        return keep
