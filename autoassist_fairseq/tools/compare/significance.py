"""Is an arm better than the first, or was it luck? Two questions, two tests.

*Sentences*: sacreBLEU's paired bootstrap. It asks whether these trained models would differ on
another test set too; how much another seed would change is not in it. The translations of several
seeds are of the same sentences, so a sentence is drawn with all of them: its statistics are
added up. (Laid end to end, they would pass for as many sentences more.)

*Seeds*: the paired t-test on the BLEU of runs with the same seed. It asks whether training again
would show the difference on this test set. It needs two seeds, and with three it sees only what is
large against the spread over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics import BLEU

from autoassist_fairseq.tools.compare.jobs import Result
from autoassist_fairseq.tools.compare.power import seeds_needed
from autoassist_fairseq.tools.scoring.metrics import bootstrap_seed, plain_metric

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """An arm beside the first one, over the seeds that both have.

    Attributes:
        seeds: which.
        difference: mean BLEU minus the first arm's.
        by_seed: p of the paired bootstrap for every seed.
        sentences: p of the paired bootstrap, all seeds together.
        over_seeds: p of the paired t-test; None with fewer than two seeds.
        needed: seeds that a claim of this difference needs; None with fewer than two.
        signature: of the bootstrap.
    """

    seeds: tuple[int, ...]
    difference: float
    by_seed: dict[int, float]
    sentences: float
    over_seeds: float | None
    needed: int | None
    signature: str


def paired(
    first: Mapping[int, Result],
    other: Mapping[int, Result],
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
            [first[seed].hypotheses], [other[seed].hypotheses], reference, samples, language
        )[0]
        for seed in seeds
    }
    base, ours = ([runs[seed].hypotheses for seed in seeds] for runs in (first, other))
    pooled, signature = bootstrap(base, ours, reference, samples, language)
    scores = [[runs[seed].bleu for seed in seeds] for runs in (first, other)]
    apart = [b - a for a, b in zip(*scores, strict=True)]
    p, needed = t_test(*scores), seeds_needed(apart)
    return Paired(tuple(seeds), fmean(apart), by_seed, pooled, p, needed, signature)


def bootstrap(
    base: Sequence[Sequence[str]],
    system: Sequence[Sequence[str]],
    reference: Sequence[str],
    samples: int,
    language: str = "",
) -> tuple[float, str]:
    """Return (p, signature) of sacreBLEU's paired bootstrap; p is at least 1 / (samples + 1).

    The seed is sacreBLEU's (``SACREBLEU_SEED``, 12345). Equal scores have p = 1: sacreBLEU counts
    resamples whose difference is *larger* than the one found, of which systems that are always
    equal have none, and would call that significant.

    Args:
        base: translations of the reference by each seed of the baseline, [seeds][sentences].
        system: the same of the other arm.
        reference: raw lines [sentences].
        samples: resamples.
        language: target, for sacreBLEU's tokeniser.
    """
    metric = plain_metric("bleu", None, language)
    assert isinstance(metric, BLEU)
    stats = [_statistics(metric, seeds, reference) for seeds in (base, system)]
    seed = bootstrap_seed()
    # sacreBLEU takes a seed of 0 for none, too.
    rng = np.random.default_rng(seed or None)
    drawn = rng.choice(len(reference), size=(samples, len(reference)), replace=True)
    base_score, system_score = (_scores(metric, side.sum(0)[None])[0] for side in stats)
    found = abs(system_score - base_score)
    resampled = [_scores(metric, (side[lines].sum(0) for lines in drawn)) for side in stats]
    apart = np.abs(resampled[1] - resampled[0])
    larger = int(np.sum(apart - apart.mean() > found))
    signature = metric.get_signature()
    signature.update("seed", str(seed).lower())
    signature.update("bs", samples)
    return (larger + 1) / (samples + 1) if found else 1.0, signature.format()


def _statistics(metric: BLEU, seeds: Sequence[Sequence[str]], reference: Sequence[str]) -> Floats:
    """Return sacreBLEU's statistics of each sentence, added over the seeds: [sentences, 10]."""
    found = [metric._extract_corpus_statistics(lines, [reference]) for lines in seeds]
    added: Floats = np.asarray(found, np.float64).sum(axis=0)
    return added


def _scores(metric: BLEU, stats: Iterable[Floats]) -> Floats:
    """Return BLEU of each of ``stats``, [10] over a whole test set."""
    return np.array([metric._compute_score_from_stats(one.tolist()).score for one in stats])


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
