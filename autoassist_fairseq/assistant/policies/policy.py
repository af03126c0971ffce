"""The policies of ``--autoassist-policy``: thin adapters from what is known to `rules`.

What a policy freezes when a pass begins holds for the whole pass, and a pair's remembered loss
changes only after the pair was considered; so a *settled* policy's choice is known from the
beginning, and the pass keeps exactly the pairs chosen. ``shrink`` learns within the pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.assistant.corpus.difficulty import difficulty
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies import rules
from autoassist_fairseq.assistant.policies.loss_table import LossTable
from autoassist_fairseq.assistant.policies.rules import Floats
from autoassist_fairseq.settings import Settings


@dataclass(frozen=True)
class Moment:
    """Where training stands when a pass begins.

    Attributes:
        index: the pass, from 1.
        trained: tokens trained on so far, in full passes.
        progress: updates done as a share of all of training; NaN if its end is not known.
        least: the share of pairs that fills one update.
    """

    index: int
    trained: float = 0.0
    progress: float = float("nan")
    least: float = 0.0


class Policy:
    """Keeps every pair, with weight 1 (``uniform``); the other policies derive from it.

    Args:
        assistant: what has been learned.
        settings: rate, pace and the like.
        ids: the pairs to train on.

    Attributes:
        settled: whether whom it keeps is known when a pass begins.
        frozen: what the pass goes by, by name; part of the state.
    """

    settled: ClassVar[bool] = True

    def __init__(self, assistant: Assistant, settings: Settings, ids: PairIds) -> None:
        self.assistant, self.settings, self.ids = assistant, settings, ids
        self.frozen: dict[str, float] = {}

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

    def keep_probability(self, pairs: Ints) -> Floats:
        """Return P(keep) [P] of ``pairs`` [P]."""
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
        return {"name": self.settings.policy, "frozen": dict(self.frozen)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned; of another policy, nothing fits."""
        if state["name"] == self.settings.policy:
            self.frozen = {name: float(value) for name, value in state["frozen"].items()}


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

    def freeze(self, moment: Moment) -> dict[str, float]:
        """Return what a pass after the warm-up goes by."""
        return {}

    def keep_probability(self, pairs: Ints) -> Floats:
        """Return P(keep) [P] of ``pairs`` [P]."""
        return super().keep_probability(pairs) if self.warm else self.chances(pairs)

    @abstractmethod
    def chances(self, pairs: Ints) -> Floats:
        """Return P(keep) [P] of ``pairs`` [P] after the warm-up."""


class Shrink(Warming):
    """``shrink``: the paper's rule, from what the Assistant believes at the moment."""

    settled = False

    def chances(self, pairs: Ints) -> Floats:
        """Return s + (1 - s) g [P]."""
        return self.assistant.keep_probability(pairs)


class Random(Warming):
    """``random``: drops ``--autoassist-rate`` of the pairs, whichever they are."""

    def warms_up(self, moment: Moment) -> bool:
        """Return whether the pass keeps every pair; rates for each pass tell that themselves."""
        return len(self.settings.rate) == 1 and super().warms_up(moment)

    def freeze(self, moment: Moment) -> dict[str, float]:
        """Return the rate."""
        return {"rate": rules.rate_of_pass(self.settings.rate, moment.index)}

    def chances(self, pairs: Ints) -> Floats:
        """Return 1 - rate [P]."""
        return np.full(len(pairs), 1 - self.frozen["rate"], np.float32)


class _Remembering(Warming):
    """Goes by remembered losses."""

    def __init__(self, assistant: Assistant, settings: Settings, ids: PairIds) -> None:
        super().__init__(assistant, settings, ids)
        self.table = LossTable(len(assistant.model.corpus))

    @property
    def threshold(self) -> float:
        return self.frozen.get("limit", float("nan"))

    def learn(self, pairs: Ints, losses: Floats, expected: Floats | None = None) -> None:
        self.table.learn(pairs, losses)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "table": self.table.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        if "table" in state:  # any policy's memory is as good as its own
            self.table.load_state_dict(state["table"])


class SelfPaced(_Remembering):
    """``self-paced``: pairs below a limit that grows, the easier the heavier."""

    def freeze(self, moment: Moment) -> dict[str, float]:
        """Return lambda of this generation, the first after the warm-up being 1."""
        generation = moment.index - self.settings.warmup_passes
        losses = self.ids.of(self.table.losses)
        return {"limit": rules.self_paced_limit(losses, generation, round(self.settings.pace))}

    def chances(self, pairs: Ints) -> Floats:
        """Return 1 where the weight is above 0, else 0 [P]."""
        weights = rules.self_paced_weight(self.table.losses[pairs], self.frozen["limit"])
        return (weights > 0).astype(np.float32)

    def weights(self, pairs: Ints) -> Floats | None:
        """Return the self-paced weights [P]."""
        if self.warm or np.isinf(self.frozen["limit"]):
            return None
        return rules.self_paced_weight(self.table.losses[pairs], self.frozen["limit"])


class InfoBatch(_Remembering):
    """``loss-table``: drops some of the pairs below the mean loss, weights the others up."""

    def freeze(self, moment: Moment) -> dict[str, float]:
        """Return the mean and the rate; all data for the last share of training."""
        rate = rules.rate_of_pass(self.settings.rate, moment.index)
        if moment.progress >= 1 - rules.LAST_SHARE:
            rate = 0.0
        return {"limit": self.table.mean(self.ids), "rate": rate}

    def chances(self, pairs: Ints) -> Floats:
        """Return 1 - rate below the mean, else 1 [P]."""
        losses = self.table.losses[pairs]
        return rules.loss_table_keep(losses, self.frozen["limit"], self.frozen["rate"])

    def weights(self, pairs: Ints) -> Floats | None:
        """Return 1 / P(keep) [P]."""
        if self.warm or self.frozen["rate"] == 0:
            return None
        return np.reciprocal(self.chances(pairs))


class Competence(Policy):
    """``competence``: the easiest pairs, more of them as training goes on; no warm-up."""

    def __init__(self, assistant: Assistant, settings: Settings, ids: PairIds) -> None:
        super().__init__(assistant, settings, ids)
        corpus = assistant.model.corpus
        self._hardness: Floats = np.full(len(corpus), np.inf, np.float32)
        for some in ids.blocks():
            self._hardness[some] = difficulty(corpus, some, settings.difficulty)

    def begin(self, moment: Moment) -> None:
        """Freeze how hard the pairs of this pass may be; they always fill an update."""
        share = max(rules.competence(moment.trained, self.settings.pace), moment.least)
        limit, ties = rules.easiest(self._hardness, round(share * len(self.ids)))
        self.frozen = {"limit": limit, "last": float(ties)}

    def keep_probability(self, pairs: Ints) -> Floats:
        """Return 1 for pairs that are open, else 0 [P]; of those as hard as the limit, the first.

        (All, before a pass has begun.)
        """
        limit, hardness = self.frozen.get("limit", np.inf), self._hardness[pairs]
        open_ties = (hardness == limit) & (pairs <= self.frozen.get("last", np.inf))
        keep: Floats = ((hardness < limit) | open_ties).astype(np.float32)
        return keep


POLICIES: dict[str, type[Policy]] = {
    "shrink": Shrink,
    "uniform": Policy,
    "random": Random,
    "self-paced": SelfPaced,
    # Chooses within each batch that is planned, where the Boss is: see plugin/importance.py.
    "importance": Policy,
    "loss-table": InfoBatch,
    "competence": Competence,
}
