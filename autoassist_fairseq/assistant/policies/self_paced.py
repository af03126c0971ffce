"""``self-paced``: the easiest pairs by their losses, more of them each pass."""

from __future__ import annotations

import math

import numpy as np

from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies import rules
from autoassist_fairseq.assistant.policies.keep_share import limit_for
from autoassist_fairseq.assistant.policies.policy import Moment
from autoassist_fairseq.assistant.policies.remembering import Remembering
from autoassist_fairseq.assistant.policies.rules import Floats


class SelfPaced(Remembering):
    """``self-paced``: pairs below a limit that grows, the easier the heavier."""

    def freeze(self, moment: Moment) -> dict[str, float]:
        """Return lambda of this generation, the first after the warm-up being 1."""
        losses, since = self.ids.of(self.table.losses), self.frozen.get("since", moment.progress)
        since = min(since, moment.progress)  # less is done where fairseq counts anew
        return {
            "limit": rules.self_paced_limit(losses, self._way(moment, since)),
            "since": since,
        }

    def _way(self, moment: Moment, since: float) -> float:
        """Return how far training is on the way to all pairs; 1 or more: there.

        ``since`` is the share of training after which the warm-up was over.
        """
        if not self.settings.pace:
            left = rules.OPEN_AFTER - since
            return (moment.progress - since) / left if left > 0 else 1.0
        warm = self.settings.warmup_updates / moment.updates or self.settings.warmup_passes
        generations = max(round(self.settings.pace), 1)
        return (moment.index - math.ceil(warm) - 1) / max(generations - 1, 1) + (generations == 1)

    def aimed(self, pairs: Ints, tokens: Ints, share: float) -> dict[str, float]:
        """Return the loss below which the share lies, the same in every generation."""
        return {"limit": limit_for(share, self.table.losses[pairs], tokens)}

    def chances(self, pairs: Ints) -> Floats:
        """Return 1 where the weight is above 0, else 0 [P]."""
        weights = rules.self_paced_weight(self.table.losses[pairs], self.frozen["limit"])
        return (weights > 0).astype(np.float32)

    def weights(self, pairs: Ints) -> Floats | None:
        """Return the self-paced weights [P]."""
        if self.warm or np.isinf(self.frozen["limit"]):
            return None
        return rules.self_paced_weight(self.table.losses[pairs], self.frozen["limit"])
