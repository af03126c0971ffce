"""Which pairs of a corpus are wrong, from a first look at its text to a verdict on each pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.features import Corpus
from autoassist_fairseq.assistant.wrong.text_judge import KINDS, LEAST, Examination, TextJudge
from autoassist_fairseq.tools.common.progress import bar, say

SEED = 1
# Pairs that are looked at before the progress is shown again.
CHUNK = 16_384
ONLY_EMPTY = "only pairs with an empty side are called wrong"


@dataclass(frozen=True)
class Found:
    """Some pairs and what was found about them.

    Attributes:
        pairs: [P] their places, from 0.
        wrong: [P] the verdicts.
        about: [P] what they rest on.
    """

    pairs: NDArray[np.int64]
    wrong: NDArray[np.bool_]
    about: Examination


def find(corpus: Corpus, sure: float, seed: int = SEED) -> Iterator[Found]:
    """Yield what is found about all pairs of ``corpus``, some at a time, in order.

    Args:
        corpus: the pairs.
        sure: how likely it must be that a pair is wrong for the verdict that it is, in [0, 1).
        seed: of what is drawn to compare the pairs with.
    """
    if len(corpus) < LEAST:
        say(f"fewer than {LEAST:,} pairs are too few to learn from: {ONLY_EMPTY}")
    judge = TextJudge(corpus, seed)
    with bar(total=1.0, delay=1, bar_format="{desc}: {percentage:3.0f}%|{bar}|") as shown:

        def tell(what: str, share: float) -> None:
            shown.set_description_str(f"learning ({what})", refresh=False)
            shown.update(share - shown.n)

        judge.prepare(tell)
    if judge.share and not judge.believed:
        say(
            f"warning: text takes {judge.share:.0%} of the pairs for wrong, which is not believed: "
            f"{ONLY_EMPTY}; source and target probably do not belong together line by line"
        )
    with bar(total=len(corpus), desc="judging", unit="pair", unit_scale=True, delay=1) as shown:
        for begin in range(0, len(corpus), CHUNK):
            pairs = np.arange(begin, min(begin + CHUNK, len(corpus)))
            about = judge.examine(pairs)
            yield Found(pairs, about.posterior > sure, about)
            shown.update(len(pairs))


class Tally:
    """How many pairs are wrong, by kind, and the surest of each.

    Args:
        examples: how many of each kind are remembered.
    """

    def __init__(self, examples: int = 0) -> None:
        self._examples = examples
        self.pairs, self.counts = 0, dict.fromkeys(KINDS, 0)
        self._surest: dict[str, list[tuple[float, float, int]]] = {kind: [] for kind in KINDS}

    def add(self, found: Found) -> None:
        """Count what was ``found``."""
        self.pairs += len(found.pairs)
        about = found.about
        lesser = np.minimum(about.worth, about.worth_back)
        for number, kind in enumerate(KINDS):
            rows = np.flatnonzero(found.wrong & (about.kind == number))
            self.counts[kind] += len(rows)
            # Of pairs that are equally sure, those first whose sides explain each other least.
            best = rows[np.lexsort((lesser[rows], -about.posterior[rows]))][: self._examples]
            new = [
                (-float(about.posterior[r]), float(lesser[r]), int(found.pairs[r])) for r in best
            ]
            self._surest[kind] = sorted([*self._surest[kind], *new])[: self._examples]

    @property
    def wrong(self) -> int:
        """How many are wrong."""
        return sum(self.counts.values())

    def surest(self) -> dict[str, list[tuple[int, float]]]:
        """Return the surest pairs of each kind: place and posterior."""
        return {
            kind: [(pair, -minus) for minus, _, pair in found]
            for kind, found in self._surest.items()
            if found
        }

    def sentence(self) -> str:
        """Say how many are wrong, and of which kinds."""
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in self.counts.items() if count)
        share = self.wrong / max(self.pairs, 1)
        told = f" ({kinds})" if kinds else ""
        return f"{self.wrong:,} of {self.pairs:,} pairs are wrong, {share:.1%}{told}"
