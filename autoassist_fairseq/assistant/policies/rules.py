"""Who is kept, and with which weight: pure functions, one or two for each policy."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant import exact

Floats = NDArray[np.float32]

# Self-paced learning, as the AutoAssist paper's baseline: the exponent's q, and the share of pairs
# with which it begins.
Q = 4
FIRST_SHARE = 0.25
# Competence curriculum (Platanios et al. 2019): c0.
FIRST_COMPETENCE = 0.01
# Where `pace` does not say it, all pairs are open after this share of training; of a competence
# curriculum also after so many full passes, if that is earlier.
OPEN_AFTER, OPEN_PASSES = 0.8, 3.0
# InfoBatch: the share of training at its end that uses all data, unweighted.
LAST_SHARE = 0.125
# Pairs that are looked at in one go.
BLOCK = 65_536


def safeguard_rate(base_prob: float, confidence: float) -> float:
    """Return s = max(base, 1 - gamma): the chance to be kept whatever the Assistant says."""
    return max(base_prob, 1.0 - confidence)


def shrink(not_trivial: Floats, safeguard: float) -> Floats:
    """Return P(keep) = s + (1 - s) g for g = ``not_trivial`` [P] (the paper's shrinking rule)."""
    keep: Floats = np.float32(safeguard) + np.float32(1 - safeguard) * not_trivial
    return keep


def rate_of_pass(rates: tuple[float, ...], index: int) -> float:
    """Return the rate of pass ``index`` (from 1): one of ``rates`` for each, the last one stays."""
    return rates[min(index, len(rates)) - 1]


def self_paced_limit(losses: Floats, way: float) -> float:
    """Return lambda: the n-th smallest of ``losses`` [P], n growing from a quarter of them to all.

    Args:
        losses: remembered, nats per token; NaN = unknown, which counts as too hard.
        way: how far training is on the way to all pairs; from 1 on, or if it is not known (NaN),
            the limit is infinite: all pairs, weight 1.
    """
    if not way < 1:
        return float("inf")
    share = FIRST_SHARE + (1 - FIRST_SHARE) * way
    count = max(1, int(share * len(losses)))
    known = losses[~np.isnan(losses)]
    if count > len(known):
        return float("inf")
    limit = float(np.partition(known, count - 1)[count - 1])
    # Nobody is below it where so many are alike.
    return limit if known.min() < limit else float("inf")


def self_paced_weight(losses: Floats, limit: float) -> Floats:
    """Return (1 - l / lambda)^(1 / (q - 1)) below lambda, else 0, for ``losses`` [P] in nats."""
    if np.isinf(limit):
        return np.ones(len(losses), np.float32)
    ease = np.clip(1 - losses / max(limit, 1e-30), 0, None)
    root = exact.exp(exact.log(ease) / (Q - 1))
    weight: Floats = np.nan_to_num(root).astype(np.float32)
    return weight


def loss_table_keep(losses: Floats, mean: float, rate: float) -> Floats:
    """Return P(keep) [P]: 1 - ``rate`` for ``losses`` [P] below ``mean``, else (or unknown) 1."""
    keep: Floats = np.where(losses < mean, np.float32(1 - rate), np.float32(1))
    return keep


def competence(trained: float, pace: float) -> float:
    """Return c(t) = min(1, sqrt(t (1 - c0^2) / T + c0^2)), the share of pairs that are open.

    Args:
        trained: t, tokens trained on in full passes, or the share of training that is done.
        pace: T, in the same; at T all pairs are open.
    """
    first = FIRST_COMPETENCE**2
    return float(min(1.0, np.sqrt(trained * (1 - first) / pace + first)))


class End(NamedTuple):
    """Where training ends.

    Attributes:
        updates: after so many; 0 = after none.
        passes: the same in passes; what comes first counts.
    """

    updates: float = 0
    passes: float = 0

    def share(self, updates: float, passes: float) -> float:
        """Return the share of training that is done after so much of it; 0 if it has no end."""
        done = updates / self.updates if self.updates else 0.0
        return max(done, passes / self.passes if self.passes else 0.0)


def in_last_share(progress: float, index: int) -> bool:
    """Return whether the middle of pass ``index`` (from 1) is in the `LAST_SHARE` of training.

    ``progress`` is the share that is done when it begins: of passes that were as long.
    """
    middle = progress * (1 + 0.5 / (index - 1)) if index > 1 else progress
    return middle >= 1 - LAST_SHARE - 1e-9


def open_share(trained: float, progress: float) -> float:
    """Return the share of the pairs that are open in a pass that begins, where no pace is given.

    Args:
        trained: tokens trained on, in full passes over the whole training set.
        progress: the share of training that is done; NaN = its end is not known.
    """
    return competence(float(np.fmax(trained / OPEN_PASSES, progress / OPEN_AFTER)), 1.0)


def last_competence(whole: float, end: End, told: End, folders: int = 1) -> float:
    """Return the share of pairs that is open in the last pass of a curriculum without a pace.

    Args:
        whole: updates of a pass over all pairs of a folder.
        end: of training. One of both must be given.
        told: the end that the curriculum goes by.
        folders: of which each pass is over one.
    """
    done, index, share = 0.0, 0, 0.0
    while share < 1 and end.share(done, index) < 1:
        share = open_share(done / (whole * folders), told.share(done, index))
        done, index = done + max(share * whole, 1.0), index + 1
    return share


def passes_until_open(pace: float) -> int:
    """Return after how many passes of a curriculum all pairs are open: the first ones are short."""
    trained, passes = 0.0, 0
    while trained < pace:
        trained, passes = trained + competence(trained, pace), passes + 1
    return passes


def easiest(hardness: Floats, count: int) -> tuple[float, int]:
    """Return the hardness of the ``count`` easiest pairs' hardest, and the last of these.

    Args:
        hardness: [P] by pair; infinite = not to be trained on.
        count: 1 or more. Of pairs that are equally hard the first ones are easier.
    """
    limit = np.partition(hardness, count - 1)[count - 1]
    ties = count - int(np.count_nonzero(hardness < limit))
    return float(limit), int(np.flatnonzero(hardness == limit)[ties - 1])


def importance_draw(
    utility: NDArray[Any], draws: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw with replacement in proportion to ``utility`` [P]; return (rows, weights), [draws] each.

    Weights 1 / (P p) make the mean over the draws an unbiased estimate of the mean over all P. A
    utility that is not finite counts as the largest; if there is none above 0, all are alike.
    """
    finite = np.isfinite(utility)
    known = np.where(finite, utility, utility[finite].max(initial=0.0)).astype(np.float64)
    total = known.sum()
    chance = known / total if total > 0 else np.full(len(known), 1 / len(known))
    rows = rng.choice(len(known), draws, p=chance)
    return rows, 1 / (len(known) * chance[rows])
