"""What the log says of the Assistant: the ``aa_*`` metrics of every train log line."""

from __future__ import annotations

import math

from fairseq.logging import metrics

from autoassist_fairseq.plugin.feedback import Ticket
from autoassist_fairseq.plugin.sampler import Seen

# What they mean; docs/metrics.md shows these sentences.
METRICS = {
    "aa_keep": "share of the considered pairs that was kept",
    "aa_keep_tokens": "share of their target tokens that was kept",
    "aa_accuracy": "how often the Assistant was right about a pair before it saw the pair's loss",
    "aa_majority": "how often always guessing the commoner answer would have been right",
    "aa_safeguard": "s, the chance to be kept whatever the Assistant says",
    "aa_threshold": "T, in nats per target token; 0 while there is none",
    "aa_hopeless": "share of the considered pairs that is hopeless, where they are looked for",
    "aa_surprise": "where text finds none of them: the surprise from "
    "which on a pair is hopeless (loss beyond what is usual for such a target, in standard "
    "deviations for its length); 0 while none is",
    "aa_wait": "milliseconds per update that the Boss waited for the BossQueue",
    "aa_score": "`importance` only: milliseconds per batch that scoring takes (`aa_keep` counts "
    "its candidates)",
    "aa_pass": "the pass",
}


class UpdateLog:
    """Remembers the update that is trained on, and logs it when it is done.

    Every value comes from the plan of the window, which is the same on every rank and after a
    resume; only ``aa_wait`` is a clock's.
    """

    def __init__(self, looks_for_hopeless: bool = False) -> None:
        self._looks_for_hopeless = looks_for_hopeless
        self._seen: Seen | None = None

    def saw(self, seen: Seen) -> None:
        """Note a batch that is about to be trained on."""
        if seen.ticket.micro == 0:
            self._seen = seen

    def write(self, ticket: Ticket) -> None:
        """Log the update of ``ticket``, which `saw` was told of."""
        assert self._seen is not None and self._seen.ticket.key == ticket.key
        stats, updates = self._seen.plan.stats, self._seen.plan.updates
        # Each update stands for an equal part of its window, so that averages are shares of it.
        self._share("aa_keep", stats.kept, stats.considered, updates)
        self._share("aa_keep_tokens", stats.kept_tokens, stats.considered_tokens, updates)
        metrics.log_scalar("aa_accuracy", stats.accuracy, stats.learned / updates, 1010, round=3)
        metrics.log_scalar("aa_majority", stats.majority, stats.learned / updates, 1015, round=3)
        metrics.log_scalar("aa_safeguard", stats.safeguard, 1 / updates, 1020, round=3)
        self._threshold("aa_threshold", stats.threshold, updates)
        if self._looks_for_hopeless:
            self._share("aa_hopeless", stats.hopeless, stats.considered, updates)
            self._threshold("aa_surprise", stats.surprise, updates)
        metrics.log_scalar("aa_wait", 1e3 * self._seen.waited, 1, 1040, round=3)
        metrics.log_scalar("aa_pass", ticket.pass_index, 0, 1050)

    def _threshold(self, name: str, value: float, updates: int) -> None:
        known = math.isfinite(value)
        metrics.log_scalar(name, value if known else 0.0, known / updates, 1030, round=3)

    def _share(self, name: str, kept: int, considered: int, updates: int) -> None:
        metrics.log_scalar(name, kept / max(considered, 1), considered / updates, 1000, round=4)
