"""What is thought of every pair: what its text says, and what the Boss's surprise adds to that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant import exact
from autoassist_fairseq.assistant.corpus.features import Corpus
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies.rules import Floats
from autoassist_fairseq.assistant.wrong import verdicts
from autoassist_fairseq.assistant.wrong.mixture import FEWEST, Mixture, fit
from autoassist_fairseq.assistant.wrong.standard import Standard, standard_of
from autoassist_fairseq.assistant.wrong.surprise import Surprise
from autoassist_fairseq.assistant.wrong.text_judge import KINDS, SEED, TextJudge
from autoassist_fairseq.assistant.wrong.vote import Vote, vote_of

# In the first passes surprise without text says more about the order of the pairs than about them.
# So it does where those that were trained on in the last pass stand for fewer than this share: a
# curriculum's first passes are short, and have the easiest only.
FIRST_PASS, MOST_SEEN = 3, 0.8
# What hopeless pairs are called; the last one, if their text alone does not say so.
NAMES = (*KINDS, "surprise")


class Opinion:
    """The log-odds that pairs are wrong.

    Args:
        corpus: the pairs.
        text: who has read them already.

    Attributes:
        surprise: what is remembered of every pair.
        text: says what the text of a pair is worth.
        believed: 1 if it is believed, 0 if it is not; NaN = nobody has asked yet.
        seconds: that the text took to get ready.
        standard: makes surprises of short and long targets comparable, in this pass.
        vote: what a surprise adds to what the text says.
        mixture: two kinds that surprise tells where text does not; None if there are not two.
    """

    def __init__(self, corpus: Corpus, text: TextJudge | None = None) -> None:
        self._corpus = corpus
        self.surprise, self.text = Surprise(len(corpus)), text or TextJudge(corpus, SEED)
        self.believed, self.seconds = float("nan"), 0.0
        self.standard, self.vote = Standard(), Vote()
        self.mixture: Mixture | None = None

    def read(self) -> None:
        """Let the text get ready, if nobody has, and hear whether it is believed."""
        if not np.isnan(self.believed):
            return
        self.text.prepare()
        self.believed = float(self.text.believed)
        self.seconds = self.text.seconds

    def of_text(self, pairs: Ints) -> Floats:
        """Return the log-odds [P] that ``pairs`` [P] are wrong, by their text alone."""
        return verdicts.log_odds(self._told(pairs))

    def kinds(self, pairs: Ints) -> NDArray[np.int64]:
        """Return what hopeless ``pairs`` [P] are: places in `NAMES`."""
        return kinds_of(self._told(pairs))

    def _told(self, pairs: Ints) -> verdicts.Verdicts:
        """Return the verdicts [P] on ``pairs`` [P]; of text that is not believed, what is seen."""
        return self.text.verdicts(pairs) if self.believed > 0 else self.text.seen(pairs)

    def weigh(self, index: int, pairs: int, parted: bool) -> None:
        """Set what surprises are worth in pass ``index``, from what was measured in the last one.

        Not from what is remembered: pairs that are left out keep the surprise that they were left
        out for, and the tail of one kind would heap up to a second. Those that were kept stand for
        all, whoever had left the others out. What surprises in a pair without words on one side
        says nothing of others.

        Args:
            index: of the pass that begins, 2 or more.
            pairs: that are to be trained on.
            parted: whether surprise told two kinds before.
        """
        some = self.surprise.sample
        fresh = some[self.surprise.ages(some, index) == 1]
        fresh = fresh[np.isfinite(self.surprise.surprises[fresh]) & ~self.text.empty(fresh)]
        weights = self.surprise.weights(fresh)
        raw = self.surprise.now(fresh, index)
        self.standard = standard_of(raw, self._tokens(fresh), weights)
        surprises, odds = self.now(fresh, index), self.of_text(fresh)
        self.vote, self.mixture = vote_of(surprises, odds, weights), None
        chance = verdicts.probability(odds)
        wrong = exact.dot(weights, chance) / max(float(weights.sum()), 1.0)
        seen = float(weights.sum()) * self.surprise.step
        if index >= FIRST_PASS and seen >= MOST_SEEN * pairs and wrong < FEWEST:
            found = fit(surprises, weights)
            self.mixture = found if found is not None and found.parts(before=parted) else None

    def odds(self, pairs: Ints, index: int) -> NDArray[Any]:
        """Return the log-odds [P] that ``pairs`` [P] are wrong, as of the beginning of a pass."""
        surprises = self.now(pairs, index)
        odds = self.of_text(pairs) + self.vote.apply(surprises)
        if self.mixture is None:
            return odds
        chance = np.clip(np.nan_to_num(self.mixture.upper(surprises)), 1e-6, 1 - 1e-6)
        return np.maximum(odds, exact.log(chance) - exact.log(1 - chance))

    def now(self, pairs: Ints, index: int) -> Floats:
        """Return the standard surprises [P] as if all were measured in pass ``index`` - 1."""
        return self.standard.apply(self.surprise.now(pairs, index), self._tokens(pairs))

    def _tokens(self, pairs: Ints) -> Ints:
        return np.maximum(self._corpus.target.sizes(pairs), 1)

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain types and arrays; what is frozen for a pass are classes."""
        return {
            "surprise": self.surprise.state_dict(),
            "text": self.text.state_dict(),
            "hopeless": {"believed": self.believed, **asdict(self.standard)},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned; a state without text is read when a pass begins."""
        self.surprise.load_state_dict(state["surprise"])
        self.standard = Standard.saved(state["hopeless"])
        self.believed = float(state["hopeless"].get("believed", "nan"))
        if "text" in state and not self.text.load_state_dict(state["text"]) and self.believed == 0:
            self.believed = float("nan")
            self.read()


def kinds_of(told: verdicts.Verdicts) -> NDArray[np.int64]:
    """Return what hopeless pairs with these verdicts [P] are: places in `NAMES`."""
    kinds = verdicts.kinds(told).astype(np.int64)
    return np.where((verdicts.log_odds(told) > 0) & (kinds < len(KINDS)), kinds, len(KINDS))
