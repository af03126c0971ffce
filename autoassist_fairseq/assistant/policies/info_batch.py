"""``loss-table``: InfoBatch."""

from __future__ import annotations

import numpy as np

from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies import rules
from autoassist_fairseq.assistant.policies.keep_share import limit_for
from autoassist_fairseq.assistant.policies.policy import Moment
from autoassist_fairseq.assistant.policies.remembering import Remembering
from autoassist_fairseq.assistant.policies.rules import Floats


class InfoBatch(Remembering):
    """``loss-table``: drops some of the pairs below the mean loss, weights the others up."""

    def freeze(self, moment: Moment) -> dict[str, float]:
        """Return the mean and the rate; all data for the last share of training."""
        rate = rules.rate_of_pass(self.settings.rate, moment.index)
        if rules.in_last_share(moment.progress, moment.index):
            rate = 0.0
        return {"limit": self.table.mean(self.ids), "rate": rate}

    def aimed(self, pairs: Ints, tokens: Ints, share: float) -> dict[str, float]:
        """Return the limit below which enough are dropped at the rate; if all are too few, a rate.

        Nothing in the last share of training, which uses all data.
        """
        rate = self.frozen["rate"]
        if rate == 0:
            return {}
        if (below := (1 - share) / rate) >= 1:
            return {"limit": float("inf"), "rate": 1 - share}
        return {"limit": limit_for(below, self.table.losses[pairs], tokens)}

    def chances(self, pairs: Ints) -> Floats:
        """Return 1 - rate below the mean, else 1 [P]."""
        losses = self.table.losses[pairs]
        return rules.loss_table_keep(losses, self.frozen["limit"], self.frozen["rate"])

    def weights(self, pairs: Ints) -> Floats | None:
        """Return 1 / P(keep) [P]."""
        if self.warm or self.frozen["rate"] == 0:
            return None
        return np.reciprocal(self.chances(pairs))
