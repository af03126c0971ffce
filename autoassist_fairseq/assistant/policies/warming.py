"""A policy that keeps every pair at first."""

from __future__ import annotations

from abc import ABC, abstractmethod

from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies.policy import Moment, Policy
from autoassist_fairseq.assistant.policies.rules import Floats


class Warming(Policy, ABC):
    """Keeps every pair for ``--autoassist-warmup-passes``, then what `chances` says."""

    def begin(self, moment: Moment) -> None:
        """Freeze whether this pass warms up, and what `freeze` says."""
        warm = self.warms_up(moment)
        self.frozen = {"warm": 1.0} if warm else {"warm": 0.0, **self.freeze(moment)}

    def warms_up(self, moment: Moment) -> bool:
        """Return whether the pass that begins keeps every pair."""
        return moment.index <= self.settings.warmup_passes

    @property
    def warm(self) -> bool:
        """Whether every pair is kept in this pass."""
        return self.frozen.get("warm", 1.0) > 0

    def aim(self, pairs: Ints, tokens: Ints, share: float) -> None:
        """Freeze what keeps ``share`` of the ``tokens`` [P]; a pass that warms up keeps all."""
        if not self.warm:
            self.frozen |= self.aimed(pairs, tokens, share)

    @abstractmethod
    def aimed(self, pairs: Ints, tokens: Ints, share: float) -> dict[str, float]:
        """Return what is frozen anew, or more, for `aim`."""

    def freeze(self, moment: Moment) -> dict[str, float]:
        """Return what a pass after the warm-up goes by."""
        return {}

    def keep_probability(self, pairs: Ints) -> Floats:
        """Return P(keep) [P] of ``pairs`` [P]."""
        return super().keep_probability(pairs) if self.warm else self.chances(pairs)

    @abstractmethod
    def chances(self, pairs: Ints) -> Floats:
        """Return P(keep) [P] of ``pairs`` [P] after the warm-up."""
