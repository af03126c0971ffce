"""Hopeless pairs: found, and cut or weighted down, on top of what another policy decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies.by_name import POLICIES
from autoassist_fairseq.assistant.policies.policy import Moment, Policy
from autoassist_fairseq.assistant.policies.rules import Floats
from autoassist_fairseq.assistant.wrong.mixture import Mixture, fit
from autoassist_fairseq.assistant.wrong.standard import Standard, standard_of
from autoassist_fairseq.assistant.wrong.surprise import LIKELY, OTHER, SAMPLE, SURE, Surprise
from autoassist_fairseq.settings import Settings

# A pair becomes hopeless above the first chance to be so, and stays it above the second.
ENTER, STAY = 0.5, 0.3
# Above this chance it is surely so, and examined again less often.
CERTAIN = 0.9
# Share of the others that is kept at least, however many are hopeless.
LEAST = 0.01
# The first passes say more about the order of the pairs than about the pairs.
FIRST_PASS = 3


class Hopeless(Policy):
    """Treats hopeless pairs as ``--autoassist-hopeless`` says, the others as ``inner`` does.

    Args:
        inner: decides on the pairs that are not hopeless.

    Attributes:
        surprise: what is remembered of every pair.
        standard: makes surprises of short and long targets comparable, in this pass.
    """

    def __init__(self, inner: Policy) -> None:
        super().__init__(inner.assistant, inner.settings, inner.ids)
        self.inner = inner
        self.surprise = Surprise(len(inner.assistant.model.corpus))
        self.standard = Standard()
        self.frozen = {"pass": 0.0, "threshold": np.inf, "keep": 1.0, "weight": 1.0}

    @property
    def settled(self) -> bool:  # type: ignore[override]
        """Classes change only between passes, so this is for ``inner`` to say."""
        return self.inner.settled

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
        """Standard surprise above which pairs are hopeless; infinite while there are not two."""
        return self.frozen["threshold"]

    def hopeless(self, pairs: Ints) -> NDArray[np.bool_]:
        """Return which of ``pairs`` [P] are hopeless in this pass."""
        return self.surprise.classes(pairs) > OTHER

    def begin(self, moment: Moment) -> None:
        """Freeze what ``inner`` goes by, and the class of every pair.

        Passes are counted here for themselves: with several data folders there are others between.
        """
        index = int(self.frozen["pass"]) + 1
        self.inner.begin(moment)
        self.surprise.begin(index)
        rate, treat = self.settings.reexamine, self.settings.hopeless
        threshold = self._class(index) if index >= FIRST_PASS else np.inf
        self.surprise.chances[:] = 1  # of whom nobody asks
        self.frozen = {
            "pass": float(index),
            "threshold": threshold,
            "keep": rate if treat == "cut" else 1.0,
            "weight": rate if treat == "weight" else 1.0,
        }

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
        """Class every pair; return the threshold."""
        mixture = self._mixture(index)
        if mixture is None or not mixture.parts(before=np.isfinite(self.surprise_threshold)):
            self.surprise.clear_classes()
            return float("inf")
        enter, stay, sure = (where(mixture, chance) for chance in (ENTER, STAY, CERTAIN))
        for begin in range(0, len(self.ids), SAMPLE):
            some = self.ids[begin : begin + SAMPLE]
            surprises = self._now(some, index)
            found = surprises > np.where(self.hopeless(some), stay, enter)
            classes = np.where(found, np.where(surprises > sure, SURE, LIKELY), OTHER)
            self.surprise.set_classes(some, classes)
        return enter

    def _mixture(self, index: int) -> Mixture | None:
        """Fit what was measured in the last pass, brought to one standard.

        Not what is remembered: pairs that are left out keep the surprise that they were left out
        for, and the tail of one kind would heap up to a second. Those that were kept stand for
        all, whoever had left the others out.
        """
        some = self.surprise.sample
        fresh = some[self.surprise.ages(some, index) == 1]
        fresh = fresh[np.isfinite(self.surprise.surprises[fresh])]
        weights = self.surprise.weights(fresh)
        raw = self.surprise.now(fresh, index)
        self.standard = standard_of(raw, self._tokens(fresh), weights)
        return fit(self._now(fresh, index), weights)

    def _now(self, pairs: Ints, index: int) -> Floats:
        """Return the standard surprises [P] as if all were measured in pass ``index`` - 1."""
        return self.standard.apply(self.surprise.now(pairs, index), self._tokens(pairs))

    def _tokens(self, pairs: Ints) -> Ints:
        sizes: Ints = self.assistant.model.corpus.target.sizes(pairs)
        return np.maximum(sizes, 1)

    def keep_probability(self, pairs: Ints, warm: bool = False) -> Floats:
        """Return P(keep) [P]: of hopeless pairs the chance to be examined again.

        That is larger where it is not certain, so that a wrong verdict soon gets its retrial.
        """
        keep = self.inner.keep_probability(pairs, warm)
        again = self._by_class(pairs, self.frozen["keep"])
        return np.where(again < 1, again, keep)

    def note(self, pairs: Ints, chances: Floats) -> None:
        """Remember with which chances [P] ``pairs`` [P] were kept: few that were stand for many."""
        self.surprise.note(pairs, chances)

    def weights(self, pairs: Ints) -> Floats | None:
        """Return the weights [P] that ``inner`` gives, those of hopeless pairs made small."""
        weights = self.inner.weights(pairs)
        if self.frozen["weight"] == 1:
            return weights
        less = self._by_class(pairs, self.frozen["weight"])
        return less if weights is None else weights * less

    def _by_class(self, pairs: Ints, rate: float) -> Floats:
        """Return 1 [P], ``rate`` for surely hopeless pairs, halfway between for likely ones."""
        return np.array([1.0, (1 + rate) / 2, rate], np.float32)[self.surprise.classes(pairs)]

    def learn(self, pairs: Ints, losses: Floats, expected: Floats | None = None) -> None:
        """Learn, and remember how surprising the losses are."""
        self.inner.learn(pairs, losses, expected)
        assert expected is not None, "nothing says what is to be expected"
        known = np.isfinite(losses) & (losses >= 0)
        index = int(self.frozen["pass"])
        self.surprise.learn(pairs[known], losses[known], expected[known], index)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of both in plain types and arrays."""
        frozen = {**self.frozen, **asdict(self.standard)}
        mine = {"surprise": self.surprise.state_dict(), "hopeless": frozen}
        return {**self.inner.state_dict(), **mine}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, or what ``inner`` alone did."""
        self.inner.load_state_dict(state)
        if "surprise" in state:
            self.surprise.load_state_dict(state["surprise"])
            saved = {name: float(value) for name, value in state["hopeless"].items()}
            self.frozen = {name: saved[name] for name in self.frozen}
            self.standard = Standard.saved(saved)


def where(mixture: Mixture, chance: float) -> float:
    """Return the value from which on the chance to be of the upper part is above ``chance``."""
    grid = np.linspace(*mixture.means, 1024)
    above = np.flatnonzero(mixture.upper(grid) > chance)
    return float(grid[above[0]]) if len(above) else float(grid[-1])


def policy_of(assistant: Assistant, settings: Settings, ids: PairIds) -> Policy:
    """Return the policy that ``settings`` ask for."""
    policy = POLICIES[settings.policy](assistant, settings, ids)
    return policy if settings.hopeless == "off" else Hopeless(policy)
