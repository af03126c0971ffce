"""A policy that keeps every pair at first."""

from __future__ import annotations

from abc import ABC, abstractmethod

from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies.policy import Moment, Policy
from autoassist_fairseq.assistant.policies.rules import Floats


class Warming(Policy, ABC):
    """Keeps every pair for the passes of the warm-up, then what `chances` says."""

    def begin(self, moment: Moment) -> None:
        """Freeze how much of this pass warms up, and what `freeze` says of the rest."""
        warm = min(max(self.warm_passes(moment) - (moment.index - 1), 0.0), 1.0)
        self.frozen = {"warm": warm} if warm == 1 else {"warm": warm, **self.freeze(moment)}

    def warm_passes(self, moment: Moment) -> float:
        """Return for how many passes every pair is kept, from the first on, as of now."""
        if not self.settings.warmup_updates:
            return self.settings.warmup_passes
        return moment.index - 1 + (self.settings.warmup_updates - moment.before) / moment.updates

    @property
    def warm(self) -> float:
        """The share of the pass, from its beginning, that keeps every pair, in [0, 1]."""
        return self.frozen.get("warm", 1.0)

    def aim(self, pairs: Ints, tokens: Ints, share: float) -> None:
        """Freeze what keeps ``share`` of the ``tokens`` [P]; a pass that warms up keeps all."""
        if self.warm < 1:
            self.frozen |= self.aimed(pairs, tokens, share)

    @abstractmethod
    def aimed(self, pairs: Ints, tokens: Ints, share: float) -> dict[str, float]:
        """Return what is frozen anew, or more, for `aim`."""

    def freeze(self, moment: Moment) -> dict[str, float]:
        """Return what a pass after the warm-up goes by."""
        return {}

    def keep_probability(self, pairs: Ints, warm: bool = False) -> Floats:
        """Return P(keep) [P] of ``pairs`` [P]."""
        warm = warm or self.warm == 1
        return super().keep_probability(pairs) if warm else self.chances(pairs)

    @abstractmethod
    def chances(self, pairs: Ints) -> Floats:
        """Return P(keep) [P] of ``pairs`` [P] after the warm-up."""
