"""The pairs that a run called hopeless most surely, so that a person sees what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoassist_fairseq.assistant.wrong.opinion import NAMES
from autoassist_fairseq.tools.report.corpus import Text
from autoassist_fairseq.tools.report.keeping import CHECKPOINT, EXAMPLES, distinct
from autoassist_fairseq.tools.scores.command import scores_in


@dataclass(frozen=True)
class Hopeless:
    """A hopeless pair.

    Attributes:
        pair: its number in the training set.
        kind: what is wrong.
        chance: that it is, by its text alone; NaN = nobody asked.
        surprise: standard; NaN = never measured.
        source, target: text.
    """

    pair: int
    kind: str
    chance: float
    surprise: float
    source: str
    target: str


@dataclass(frozen=True)
class Verdict:
    """What a run found.

    Attributes:
        run: its name.
        pairs: pairs of the training set.
        hopeless: of them.
        kinds: how many of these are of each kind.
        examples: the surest of each kind; no two of the same text.
    """

    run: str
    pairs: int
    hopeless: int
    kinds: dict[str, int]
    examples: list[Hopeless]

    @property
    def sentence(self) -> str:
        """What the examples are, and the unit of their surprise."""
        share = self.hopeless / max(self.pairs, 1)
        kinds = ", ".join(f"{name} {count:,}" for name, count in self.kinds.items())
        return (
            f"{self.hopeless:,} of {self.pairs:,} pairs ({share:.1%}){': ' * bool(kinds)}{kinds}. "
            "The surest of each kind, how probable their text makes it, and by how many standard "
            "deviations their loss is beyond what is usual for such targets:"
        )


def verdict(state: Mapping[str, Any], run: str, text: Text) -> Verdict | None:
    """Return what the Assistant's ``state`` says; None if nobody looked for hopeless pairs.

    Raises:
        UserError: it cannot be read, or is of more or fewer pairs than ``text``.
    """
    if "surprise" not in state.get("policy", {}):
        return None
    scores = scores_in(state, CHECKPOINT)
    scores.check(text)
    found = np.flatnonzero(scores.hopeless)
    tokens = text.corpus.target.sizes(np.arange(len(scores.losses)))
    surprises = scores.standard.apply(scores.surprises, tokens)
    chances, known = np.nan_to_num(scores.text), np.nan_to_num(surprises, nan=-np.inf)
    surest = found[np.lexsort((-known[found], -chances[found]))]
    counts = np.bincount(scores.kinds[found], minlength=len(NAMES))
    kinds = {name: int(count) for name, count in zip(NAMES, counts, strict=True) if count}
    each = -(-EXAMPLES // max(len(kinds), 1))
    examples = [
        Hopeless(pair, kind, float(scores.text[pair]), float(surprises[pair]), source, target)
        for kind in sorted(kinds, key=lambda name: -kinds[name])
        for pair, source, target in list(
            distinct(text, surest[scores.kinds[surest] == NAMES.index(kind)][: 20 * EXAMPLES])
        )[:each]
    ]
    return Verdict(run, len(scores.losses), len(found), kinds, examples)
