"""``--autoassist-keep``: what a policy goes by, so that a pass keeps a given share of the tokens.

Pure functions; the policies freeze what they return when a pass begins.
"""

from __future__ import annotations

import numpy as np

from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.policies.rules import Floats


def shrink_for(
    share: float, not_trivial: Floats, tokens: Ints, doubt: float
) -> tuple[float, float]:
    """Return (s, c) with which P(keep) = s + (1 - s) c g keeps ``share`` of the tokens.

    The paper's rule (c = 1) where its safeguard rate s comes out at ``doubt`` or more. Otherwise s
    is ``doubt``, at most ``share``, and g is scaled down.

    Args:
        share: of the tokens that is to be expected to be kept, in (0, 1).
        not_trivial: g [P].
        tokens: [P], their weights.
        doubt: 1 - gamma, in [0, 1]: the chance that whoever is thought trivial must have.
    """
    mean = weighted(not_trivial, tokens)
    least = (share - mean) / (1 - mean) if mean < 1 else -1.0
    if least >= doubt:
        return least, 1.0
    safe = min(doubt, share)
    return safe, (share - safe) / ((1 - safe) * max(mean, 1e-9))


def limit_for(share: float, losses: Floats, tokens: Ints) -> float:
    """Return the limit below which ``losses`` [P] have ``share`` of ``tokens`` [P], nearly.

    Unknown losses (NaN) count as the largest. Infinite if all known ones have less.
    """
    order = np.argsort(losses, kind="stable")  # NaN last
    through = np.cumsum(tokens[order], dtype=np.float64)
    wanted = share * float(through[-1]) if len(through) else 0.0
    below = int(np.searchsorted(through, wanted, side="right"))
    if below < len(through) and through[below] - wanted < wanted - (
        through[below - 1] if below else 0.0
    ):
        below += 1  # the pair that the share ends in counts where most of it lies
    if below >= len(order) or np.isnan(losses[order[below]]):
        return float("inf")
    return float(losses[order[below]])


def weighted(values: Floats, tokens: Ints) -> float:
    """Return the mean of ``values`` [P], weighted by ``tokens`` [P]; 0 of nothing."""
    total = float(tokens.sum(dtype=np.float64))
    return float((values * tokens).sum(dtype=np.float64)) / total if total else 0.0
