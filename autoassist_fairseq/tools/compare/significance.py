"""Is an arm better than the first, or was it luck? Two questions, two tests.

*Sentences*: sacreBLEU's paired bootstrap on the translations of one seed, or of all seeds one after
the other. It asks whether these trained models would differ on another test set too; how much
another seed would change is not in it.

*Seeds*: the paired t-test on the BLEU of runs with the same seed. It asks whether training again
would show the difference on this test set. It needs two seeds, and with three it sees only what is
large against the spread over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoassist_fairseq.tools.scoring.metrics import compare, plain_metric


@dataclass(frozen=True)
class Paired:
    """An arm beside the first one, over the seeds that both have.

    Attributes:
        seeds: which.
        difference: mean BLEU minus the first arm's.
        by_seed: p of the paired bootstrap for every seed.
        sentences: p of the paired bootstrap, all seeds together.
        over_seeds: p of the paired t-test; None with fewer than two seeds.
        signature: of the bootstrap.
    """

    seeds: tuple[int, ...]
    difference: float
    by_seed: dict[int, float]
    sentences: float
    over_seeds: float | None
    signature: str


@dataclass(frozen=True)
class Scored:
    """Translations of the test set, and their BLEU."""

    hypotheses: Sequence[str]
    bleu: float


def paired(
    first: Mapping[int, Scored],
    other: Mapping[int, Scored],
    reference: Sequence[str],
    samples: int,
    language: str = "",
) -> Paired | None:
    """Compare two arms by seed; None if no seed is in both.

    Args:
        first: the baseline's runs by seed.
        other: the arm's runs by seed.
        reference: raw lines of the test set.
        samples: resamples of the bootstrap.
        language: target, for sacreBLEU's tokeniser.
    """
    seeds = sorted(first.keys() & other.keys())
    if not seeds:
        return None
    by_seed = {
        seed: bootstrap(
            first[seed].hypotheses, other[seed].hypotheses, reference, samples, language
        )[0]
        for seed in seeds
    }
    base, ours = (
        [line for seed in seeds for line in runs[seed].hypotheses] for runs in (first, other)
    )
    pooled, signature = bootstrap(base, ours, [*reference] * len(seeds), samples, language)
    scores = [[runs[seed].bleu for seed in seeds] for runs in (first, other)]
    difference = sum(b - a for a, b in zip(*scores, strict=True)) / len(seeds)
    return Paired(tuple(seeds), difference, by_seed, pooled, t_test(*scores), signature)


def bootstrap(
    base: Sequence[str],
    system: Sequence[str],
    reference: Sequence[str],
    samples: int,
    language: str = "",
) -> tuple[float, str]:
    """Return (p, signature) of sacreBLEU's paired bootstrap; p is at least 1 / (samples + 1).

    Equal scores have p = 1. sacreBLEU counts resamples whose difference is *larger* than the
    one found, of which systems that are always equal have none, and would call that significant.
    """
    metrics = {"bleu": plain_metric("bleu", None, language)}
    found = compare(base, system, [list(reference)], metrics, samples)[0]
    same = found.baseline["score"] == found.system["score"]
    return 1.0 if same else found.p_value, found.signature


def t_test(base: Sequence[float], system: Sequence[float]) -> float | None:
    """Return p of the paired t-test; None for fewer than two pairs, or pairs that all differ alike.

    Args:
        base: BLEU by seed.
        system: BLEU by seed, in the same order.
    """
    differences = [b - a for a, b in zip(base, system, strict=True)]
    if len(differences) < 2 or max(differences) - min(differences) < 1e-9:
        return None
    from scipy.stats import ttest_rel  # takes a second to import

    p = float(ttest_rel(system, base).pvalue)
    return p if math.isfinite(p) else None
