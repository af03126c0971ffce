"""How much a difference over seeds is worth, and how soon an arm is as good as the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from autoassist_fairseq.tools.compare.jobs import Result, Validation
from autoassist_fairseq.tools.compare.power import seeds_needed
from autoassist_fairseq.tools.compare.significance import t_test


@dataclass(frozen=True)
class Reached:
    """What it cost to be as good as the first arm in the end: shares of what that arm spent."""

    tokens: float
    seconds: float


@dataclass(frozen=True)
class Evidence:
    """An arm's validation loss beside that of the first, over the seeds that both have.

    Attributes:
        difference: mean of its loss minus the first arm's, bits per token; None if unknown.
        over_seeds: p of the paired t-test.
        needed: seeds that a claim of this difference needs.
        reached: by seed, for those that came to the first arm's final loss.
        seeds: that both have.
    """

    difference: float | None
    over_seeds: float | None
    needed: int | None
    reached: Mapping[int, Reached]
    seeds: int

    def mean(self, name: str) -> float | None:
        """Mean of ``tokens`` or ``seconds`` over the seeds that reached it."""
        return fmean(getattr(one, name) for one in self.reached.values()) if self.reached else None


def evidence(first: Mapping[int, Result], other: Mapping[int, Result]) -> Evidence:
    """Compare the validation losses of two arms' runs by seed."""
    seeds = sorted(first.keys() & other.keys())
    pairs = [(first[seed].valid_loss, other[seed].valid_loss) for seed in seeds]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    differences = [b - a for a, b in known]
    reached = {seed: found for seed in seeds if (found := reach(first[seed], other[seed]))}
    return Evidence(
        fmean(differences) if differences else None,
        t_test([a for a, _ in known], [b for _, b in known]),
        seeds_needed(differences),
        reached,
        len(seeds),
    )


def reach(first: Result, other: Result) -> Reached | None:
    """Return what ``other`` spent until its validation loss was the last one of ``first``.

    Between two validations the loss is taken for a straight line. None if it never came there.
    """
    if not first.validations or not other.validations:
        return None
    goal, end = first.validations[-1].loss, first.validations[-1]
    before: Validation | None = None
    for now in other.validations:
        if now.loss <= goal:
            drop = before.loss - now.loss if before else 0.0
            share = (before.loss - goal) / drop if before and drop > 0 else 1.0
            start = before or now
            tokens = start.tokens + share * (now.tokens - start.tokens)
            seconds = start.seconds + share * (now.seconds - start.seconds)
            return Reached(tokens / max(end.tokens, 1), seconds / max(end.seconds, 1e-9))
        before = now
    return None
