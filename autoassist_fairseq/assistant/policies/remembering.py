"""What the policies that go by remembered losses share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies.loss_table import LossTable
from autoassist_fairseq.assistant.policies.policy import Moment
from autoassist_fairseq.assistant.policies.rules import Floats
from autoassist_fairseq.assistant.policies.warming import Warming
from autoassist_fairseq.settings import Settings


class Remembering(Warming):
    """Goes by remembered losses, as they are when a pass begins."""

    def __init__(self, assistant: Assistant, settings: Settings, ids: PairIds) -> None:
        super().__init__(assistant, settings, ids)
        self.table = LossTable(len(assistant.model.corpus))

    def warm_passes(self, moment: Moment) -> float:
        """Return the passes that keep every pair: whole ones."""
        return float(math.ceil(super().warm_passes(moment)))

    @property
    def threshold(self) -> float:
        """The limit of this pass, nats per token; NaN if there is none."""
        return self.frozen.get("limit", float("nan"))

    def learn(self, pairs: Ints, losses: Floats, expected: Floats | None = None) -> None:
        """Remember the losses [P]."""
        self.table.learn(pairs, losses)

    def state_dict(self) -> dict[str, Any]:
        """Return the state, with the losses."""
        return {**super().state_dict(), "table": self.table.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        super().load_state_dict(state)
        if "table" in state:  # any policy's memory is as good as its own
            self.table.load_state_dict(state["table"])
