"""A policy of ``--autoassist-policy``: a thin adapter from what is known to `rules`.

What a policy freezes when a pass begins holds for the whole pass, and a pair's remembered loss
changes only after the pair was considered; so a *settled* policy's choice is known from the
beginning, and the pass keeps exactly the pairs chosen. ``shrink`` learns within the pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies.rules import Floats
from autoassist_fairseq.assistant.wrong.text_judge import TextJudge
from autoassist_fairseq.settings import Settings


@dataclass(frozen=True)
class Moment:
    """Where training stands when a pass begins.

    Attributes:
        index: the pass, from 1.
        trained: tokens trained on so far, in full passes.
        progress: the share of all of training that is done; NaN if its end is not known.
        least: the share of pairs that fills one update.
        before: updates done so far.
        updates: of a pass that keeps every pair.
    """

    index: int
    trained: float = 0.0
    progress: float = float("nan")
    least: float = 0.0
    before: int = 0
    updates: float = 1.0


class Policy:
    """Keeps every pair, with weight 1 (``uniform``); the other policies derive from it.

    Args:
        assistant: what has been learned.
        settings: rate, pace and the like.
        ids: the pairs to train on.

    Attributes:
        settled: whether whom it keeps is known when a pass begins.
        opens: whether it is a curriculum: `Moment.least` counts, and `begin` may be called again.
        text: who has read the text of the pairs, if the policy asked for it.
        frozen: what the pass goes by, by name; part of the state.
    """

    settled: ClassVar[bool] = True
    opens: ClassVar[bool] = False

    def __init__(self, assistant: Assistant, settings: Settings, ids: PairIds) -> None:
        self.assistant, self.settings, self.ids = assistant, settings, ids
        self.text: TextJudge | None = None
        self.frozen: dict[str, float] = {}

    @property
    def warm(self) -> float:
        """The share of the pass, from its beginning, that warms up, in [0, 1]."""
        return 0.0

    def settles(self, warm: bool) -> bool:
        """Return whether whom it keeps, in a part that is ``warm`` or not, is known beforehand."""
        return self.settled or warm

    @property
    def threshold(self) -> float:
        """The loss that it divides pairs at, nats per token; NaN if there is none."""
        return self.assistant.threshold.value

    @property
    def surprise_threshold(self) -> float:
        """The standard surprise above which pairs are hopeless; infinite if none is."""
        return float("inf")

    def hopeless(self, pairs: Ints) -> NDArray[np.bool_]:
        """Return which of ``pairs`` [P] are classed as hopeless."""
        return np.zeros(len(pairs), np.bool_)

    def begin(self, moment: Moment) -> None:
        """Freeze what the pass that begins goes by."""

    def aim(self, pairs: Ints, tokens: Ints, share: float) -> None:
        """Freeze, after `begin`, what keeps ``share`` of the target ``tokens`` [P] of a pass.

        ``pairs`` [P] stand for all that it considers. By `keep_share`; a policy whose share is not
        free does nothing, and `Settings` refuses to ask it.
        """

    @property
    def safeguard(self) -> float:
        """s, the chance to be kept whatever is believed, in [0, 1]."""
        return self.assistant.safeguard

    def keep_probability(self, pairs: Ints, warm: bool = False) -> Floats:
        """Return P(keep) [P] of ``pairs`` [P], which come while it is ``warm``, or do not."""
        return np.ones(len(pairs), np.float32)

    def note(self, pairs: Ints, chances: Floats) -> None:
        """Hear with which ``chances`` [P] some of ``pairs`` [P] came to be kept, and others not."""

    def weights(self, pairs: Ints) -> Floats | None:
        """Return the weights [P] of kept ``pairs`` [P] in the loss; None = all 1."""
        return None

    def learn(self, pairs: Ints, losses: Floats, expected: Floats | None = None) -> None:
        """Learn from the losses [P] (nats per token; negative or not finite = missing).

        ``expected`` [P] are the losses to be expected from their words, where those are counted.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain types and arrays."""
        return {"name": self.settings.rule, "frozen": dict(self.frozen)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned; of another policy, nothing fits."""
        if state["name"] == self.settings.rule:
            self.frozen = {name: float(value) for name, value in state["frozen"].items()}
