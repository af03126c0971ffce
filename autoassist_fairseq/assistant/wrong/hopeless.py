"""Hopeless pairs: cut or weighted down, on top of what another policy decides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.assistant.corpus.features import Corpus
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies.by_name import POLICIES
from autoassist_fairseq.assistant.policies.policy import Moment, Policy
from autoassist_fairseq.assistant.policies.rules import Floats
from autoassist_fairseq.assistant.wrong.mixture import Mixture
from autoassist_fairseq.assistant.wrong.opinion import NAMES, Opinion
from autoassist_fairseq.assistant.wrong.surprise import LIKELY, OTHER, SAMPLE, SURE
from autoassist_fairseq.settings import Settings

# A pair that is hopeless stays it down to this part of the chance to become it.
STAY = 0.6
# It is surely so, and examined again less often, if its text alone says so, or if the chance that
# it is not is this part of what is asked for.
DOUBT = 0.2
# So many pairs are judged before the first pass begins; of more, each window when it is planned.
# With a curriculum those count that are open.
AT_ONCE = 131_072
# Share of the others that is kept at least, however many are hopeless.
LEAST = 0.01


class Hopeless(Policy):
    """Treats hopeless pairs as ``--autoassist-hopeless`` says, the others as ``inner`` does.

    In the first pass text alone tells them; from the second on the Boss votes.

    Args:
        inner: decides on the pairs that are not hopeless.

    Attributes:
        opinion: what is thought of every pair.
    """

    def __init__(self, inner: Policy) -> None:
        super().__init__(inner.assistant, inner.settings, inner.ids)
        self.inner = inner
        corpus = inner.assistant.model.corpus
        assert isinstance(corpus, Corpus), "hopeless are pairs of sentences only"
        self.opinion = Opinion(corpus, inner.text)
        nothing = {"pass": 0.0, "threshold": np.inf, "keep": 1.0, "weight": 1.0}
        self.frozen = {**nothing, "sure": self.settings.sure}
        self._few: bool | None = None  # as `_few_open` has found it for this pass

    @property
    def settled(self) -> bool:  # type: ignore[override]
        """Classes change only between passes, so this is for ``inner`` to say."""
        return self.inner.settled

    def settles(self, warm: bool) -> bool:
        """Return whether whom it keeps is known beforehand: not while text is still read."""
        read = self.frozen["pass"] > 1 or self.frozen["keep"] == 1 or self._few_open()
        return read and self.inner.settles(warm)

    def _few_open(self) -> bool:
        """Whether the pairs that ``inner`` may keep in this pass are few enough to judge at once.

        Quotas of a pass that is not settled are at least an update, filled with whoever is there.
        """
        if self._few is None:
            count = len(self.ids)
            if count > AT_ONCE and self.inner.opens:
                blocks = self.ids.blocks()
                count = sum(int((self.inner.keep_probability(b) > 0).sum()) for b in blocks)
            self._few = count <= AT_ONCE
        return self._few

    @property
    def warm(self) -> float:
        """The share of the pass, from its beginning, in which ``inner`` warms up."""
        return self.inner.warm

    @property
    def threshold(self) -> float:
        """The loss that ``inner`` divides pairs at."""
        return self.inner.threshold

    @property
    def safeguard(self) -> float:
        """Of ``inner``."""
        return self.inner.safeguard

    @property
    def surprise_threshold(self) -> float:
        """Standard surprise above which pairs are hopeless; infinite where text has a say."""
        return self.frozen["threshold"]

    def hopeless(self, pairs: Ints) -> NDArray[np.bool_]:
        """Return which of ``pairs`` [P] are hopeless in this pass."""
        return self._classes(pairs) > OTHER

    def counts(self, pairs: Ints) -> dict[str, int]:
        """Return how many of ``pairs`` [P] are hopeless, by what kind of wrong they are."""
        kinds = self.opinion.kinds(pairs[self.hopeless(pairs)])
        counts = np.bincount(kinds, minlength=len(NAMES)).tolist()
        return {name: count for name, count in zip(NAMES, counts, strict=True) if count}

    def begin(self, moment: Moment) -> None:
        """Freeze what ``inner`` goes by, and the class of every pair.

        Passes are counted here for themselves: with several data folders there are others between.
        """
        index, self._few = int(self.frozen["pass"]) + 1, None
        self.inner.begin(moment)
        self.opinion.read()
        surprise = self.opinion.surprise
        surprise.begin(index)
        rate, treat = self.settings.reexamine, self.settings.hopeless
        self.frozen["sure"] = self.settings.sure
        threshold = self._class(index) if index > 1 else np.inf
        surprise.chances[:] = 1  # of whom nobody asks
        self.frozen = {
            **self.frozen,
            "pass": float(index),
            "threshold": threshold,
            "keep": rate if treat == "cut" else 1.0,
            "weight": rate if treat == "weight" else 1.0,
        }
        self._open_enough(moment)

    def _open_enough(self, moment: Moment) -> None:
        """Let a curriculum open so many pairs that an update is left when hopeless ones are cut."""
        needed = round(moment.least * len(self.ids))
        cuts = self.inner.opens and self.frozen["keep"] < 1
        while cuts and moment.least < 1 and not self._leaves(needed):
            moment = replace(moment, least=min(2 * moment.least, 1.0))
            self.inner.begin(moment)

    def _leaves(self, needed: int) -> bool:
        """Return whether ``inner`` keeps so many pairs that are not cut, at least."""
        left = 0
        for some in self.ids.blocks():
            open_pairs = some[self.inner.keep_probability(some) > 0]
            left += int(np.count_nonzero(~self.hopeless(open_pairs)))
            if left >= needed:
                break
        return left >= needed

    def aim(self, pairs: Ints, tokens: Ints, share: float) -> None:
        """Let ``inner`` keep so much of the others that with the hopeless ones it is ``share``."""
        again = self._by_class(pairs, self.frozen["keep"])
        others = again == 1
        left, hopeless = tokens[others], tokens[~others]
        kept = float((again[~others] * hopeless).sum(dtype=np.float64))
        wanted = share * float(tokens.sum(dtype=np.float64)) - kept
        of_others = wanted / max(float(left.sum(dtype=np.float64)), 1.0)
        self.inner.aim(pairs[others], left, min(max(of_others, LEAST), 1.0))

    def _class(self, index: int) -> float:
        """Class every pair; return the threshold, where surprise alone decides."""
        parted = bool(np.isfinite(self.surprise_threshold))
        self.opinion.weigh(index, len(self.ids), parted)
        for begin in range(0, len(self.ids), SAMPLE):
            some = self.ids[begin : begin + SAMPLE]
            told, before = self.opinion.of_text(some), self._classes(some) > OTHER
            self._set_classes(some, self.opinion.odds(some, index), told, before)
        mixture = self.opinion.mixture
        return float("inf") if mixture is None else where(mixture, self.settings.sure)

    def _classes(self, pairs: Ints) -> NDArray[np.uint8]:
        """Return the classes [P] of this pass: in the first, as the text of each pair says."""
        if self.frozen["pass"] == 1:
            told = self.opinion.of_text(pairs)
            self._set_classes(pairs, told, told, np.False_)
        return self.opinion.surprise.classes(pairs)

    def _set_classes(self, pairs: Ints, odds: NDArray[Any], told: Floats, before: Any) -> None:
        """Class ``pairs`` [P] by their log-``odds`` [P] and those that their text has ``told`` [P].

        ``before`` [P]: who was hopeless.
        """
        sure = self.frozen["sure"]
        enter, stay, certain = map(log_odds, (sure, STAY * sure, 1 - DOUBT * (1 - sure)))
        found = odds > np.where(before, stay, enter)
        surely = (odds > certain) | (told > enter)
        classes = np.where(found, np.where(surely, SURE, LIKELY), OTHER)
        self.opinion.surprise.set_classes(pairs, classes)

    def keep_probability(self, pairs: Ints, warm: bool = False) -> Floats:
        """Return P(keep) [P]: of hopeless pairs the chance to be examined again.

        That is larger where it is not certain, so that a wrong verdict soon gets its retrial. None
        is examined whose time ``inner`` says has not come.
        """
        keep = self.inner.keep_probability(pairs, warm)
        if self.frozen["keep"] == 1:
            return keep
        opened = np.flatnonzero(keep > 0)  # the text of the others need not be read
        again = self._by_class(pairs[opened], self.frozen["keep"])
        keep[opened] = np.where(again < 1, again, keep[opened])
        return keep

    def note(self, pairs: Ints, chances: Floats) -> None:
        """Remember with which chances [P] ``pairs`` [P] were kept: few that were stand for many."""
        self.opinion.surprise.note(pairs, chances)

    def weights(self, pairs: Ints) -> Floats | None:
        """Return the weights [P] that ``inner`` gives, those of hopeless pairs made small."""
        weights = self.inner.weights(pairs)
        if self.frozen["weight"] == 1:
            return weights
        less = self._by_class(pairs, self.frozen["weight"])
        return less if weights is None else weights * less

    def _by_class(self, pairs: Ints, rate: float) -> Floats:
        """Return 1 [P], ``rate`` for surely hopeless pairs, halfway between for likely ones."""
        return np.array([1.0, (1 + rate) / 2, rate], np.float32)[self._classes(pairs)]

    def learn(self, pairs: Ints, losses: Floats, expected: Floats | None = None) -> None:
        """Learn, and remember how surprising the losses are."""
        self.inner.learn(pairs, losses, expected)
        assert expected is not None, "nothing says what is to be expected"
        known = np.isfinite(losses) & (losses >= 0)
        index = int(self.frozen["pass"])
        self.opinion.surprise.learn(pairs[known], losses[known], expected[known], index)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of both in plain types and arrays."""
        mine = self.opinion.state_dict()
        mine["hopeless"] = {**self.frozen, **mine["hopeless"]}
        return {**self.inner.state_dict(), **mine}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, or what ``inner`` alone did."""
        self.inner.load_state_dict(state)
        self._few = None
        if "surprise" in state:
            self.opinion.load_state_dict(state)
            saved = state["hopeless"]  # some older ones do not say how sure their pass was to be
            self.frozen = {name: float(saved.get(name, now)) for name, now in self.frozen.items()}


def log_odds(chance: float) -> float:
    """Return the log-odds of a ``chance`` in (0, 1)."""
    return math.log(chance / (1 - chance))


def where(mixture: Mixture, chance: float) -> float:
    """Return the value from which on the chance to be of the upper part is above ``chance``."""
    grid = np.linspace(*mixture.means, 1024)
    above = np.flatnonzero(mixture.upper(grid) > chance)
    return float(grid[above[0]]) if len(above) else float(grid[-1])


def policy_of(assistant: Assistant, settings: Settings, ids: PairIds) -> Policy:
    """Return the policy that ``settings`` ask for."""
    policy = POLICIES[settings.policy](assistant, settings, ids)
    return policy if settings.hopeless == "off" else Hopeless(policy)
