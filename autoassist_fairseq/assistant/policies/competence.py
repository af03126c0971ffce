"""``competence``: a curriculum by length, rarity or worth."""

from __future__ import annotations

import numpy as np

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.assistant.corpus.difficulty import difficulty
from autoassist_fairseq.assistant.corpus.features import Corpus
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies import rules
from autoassist_fairseq.assistant.policies.policy import Moment, Policy
from autoassist_fairseq.assistant.policies.rules import Floats
from autoassist_fairseq.assistant.wrong.text_judge import LEAST, SEED, TextJudge
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.settings import Settings

# Parts of the pairs by length, each with its own easy ones.
PARTS = 10


class Competence(Policy):
    """``competence``: the easiest pairs, more of them as training goes on; no warm-up."""

    def __init__(self, assistant: Assistant, settings: Settings, ids: PairIds) -> None:
        super().__init__(assistant, settings, ids)
        corpus = assistant.model.corpus
        self._hardness: Floats = np.full(len(corpus), np.inf, np.float32)
        if settings.difficulty == "worth":
            self.text = TextJudge(corpus, SEED)
            every = ids[:]
            self._hardness[every] = by_worth(corpus, self.text, every)
            return
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


def by_worth(corpus: Corpus, text: TextJudge, pairs: Ints) -> Floats:
    """Return how hard ``pairs`` [P] are: the share of those as long that say their source better.

    The lesser of both worths tells, among the `PARTS` parts of the pairs by length of the target,
    so that it is no curriculum of lengths.

    Raises:
        UserError: too few pairs, as `check_readable` says.
    """
    check_readable(len(corpus))
    worth = np.empty(len(pairs), np.float32)
    for begin in range(0, len(pairs), rules.BLOCK):
        seen = text.examine(pairs[begin : begin + rules.BLOCK])
        worth[begin : begin + rules.BLOCK] = np.minimum(seen.worth, seen.worth_back)
    hardness = np.empty(len(pairs), np.float32)
    for part in np.array_split(np.argsort(corpus.target.sizes(pairs), kind="stable"), PARTS):
        order = part[np.argsort(-worth[part], kind="stable")]
        hardness[order] = (np.arange(len(part)) + 0.5) / max(len(part), 1)
    return hardness


def check_readable(pairs: int) -> None:
    """Raise `UserError` if so many ``pairs`` are too few to learn from what words say."""
    if pairs < LEAST:
        raise UserError(
            f"`--autoassist-difficulty worth` must have {LEAST:,} pairs to learn from, but `DATA` "
            f"has {pairs:,}; use length or rarity."
        )
