"""The pairs that a run called hopeless most surely, so that a person sees what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoassist_fairseq.tools.report.corpus import Text
from autoassist_fairseq.tools.report.keeping import CHECKPOINT, EXAMPLES, distinct
from autoassist_fairseq.tools.scores.command import scores_in


@dataclass(frozen=True)
class Hopeless:
    """A hopeless pair: its number in the training set, standard surprise, and text."""

    pair: int
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
        examples: the surest; no two of the same text.
    """

    run: str
    pairs: int
    hopeless: int
    examples: list[Hopeless]

    @property
    def sentence(self) -> str:
        """What the examples are, and the unit of their surprise."""
        share = self.hopeless / max(self.pairs, 1)
        return (
            f"{self.hopeless:,} of {self.pairs:,} pairs ({share:.1%}). The surest, and by how many "
            "standard deviations their loss is beyond what is usual for such targets:"
        )


def verdict(state: Mapping[str, Any], run: str, text: Text) -> Verdict | None:
    """Return what the Assistant's ``state`` says; None if nobody looked for hopeless pairs.

    Raises:
        UserError: it cannot be read, or does not fit ``text``.
    """
    if "surprise" not in state.get("policy", {}):
        return None
    scores = scores_in(state, CHECKPOINT)
    scores.check(text)
    found = np.flatnonzero(scores.hopeless)
    tokens = text.corpus.target.sizes(np.arange(len(scores.losses)))
    surprises = scores.standard.apply(scores.surprises, tokens)
    surest = found[np.argsort(-surprises[found], kind="stable")]
    examples = [
        Hopeless(pair, float(surprises[pair]), source, target)
        for pair, source, target in distinct(text, surest[: 20 * EXAMPLES])
    ]
    return Verdict(run, len(scores.losses), len(found), examples)
