"""``competence``: a curriculum by length, rarity or worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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

    opens = True

    def __init__(self, assistant: Assistant, settings: Settings, ids: PairIds) -> None:
        super().__init__(assistant, settings, ids)
        self._hardness: Floats = np.empty(0, np.float32)
        if settings.difficulty == "worth":
            self.text = TextJudge(assistant.model.corpus, SEED)

    @property
    def hardness(self) -> Floats:
        """How hard every pair is [P]; infinite: not to be trained on."""
        if not len(self._hardness):
            corpus = self.assistant.model.corpus
            hardness = np.full(len(corpus), np.inf, np.float32)
            if self.text is not None:
                every = self.ids[:]
                hardness[every] = by_worth(corpus, self.text, every)
            else:
                for some in self.ids.blocks():
                    hardness[some] = difficulty(corpus, some, self.settings.difficulty)
            self._hardness = hardness
        return self._hardness

    def begin(self, moment: Moment) -> None:
        """Freeze how hard the pairs of this pass may be; they fill an update."""
        trained, pace = moment.trained, self.settings.pace
        if pace:
            share = rules.competence(trained, pace)
        else:
            share = rules.open_share(trained / self.settings.folders, moment.progress)
        share = max(share, moment.least)
        limit, ties = rules.easiest(self.hardness, round(share * len(self.ids)))
        self.frozen = {"limit": limit, "last": float(ties)}

    def keep_probability(self, pairs: Ints, warm: bool = False) -> Floats:
        """Return 1 for pairs that are open, else 0 [P]; of those as hard as the limit, the first.

        (All, before a pass has begun.)
        """
        if not self.frozen:
            return np.ones(len(pairs), np.float32)
        limit, hardness = self.frozen["limit"], self.hardness[pairs]
        open_ties = (hardness == limit) & (pairs <= self.frozen["last"])
        keep: Floats = ((hardness < limit) | open_ties).astype(np.float32)
        return keep

    def state_dict(self) -> dict[str, Any]:
        """Return the state, with what the text of the pairs has told: to read it takes long."""
        told = {"hardness": self._hardness} if self.text is not None else {}
        return {**super().state_dict(), **told}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        super().load_state_dict(state)
        if state["name"] == self.settings.rule and "hardness" in state:
            self._hardness = state["hardness"]


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
