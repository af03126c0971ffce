"""Whom the Assistant of a checkpoint would keep: by length, by rarity, and the most skipped pairs.

A run logs no decision on single pairs, so these are the chances of every pair to be kept in the
next pass, from the state in the checkpoint and the features of the training set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.assistant import Assistant
from autoassist_fairseq.assistant.corpus import kernels
from autoassist_fairseq.assistant.corpus.features import sample_pairs
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.policies.policy import Policy
from autoassist_fairseq.assistant.wrong.hopeless import Hopeless, policy_of
from autoassist_fairseq.errors import StateError, UserError
from autoassist_fairseq.settings import Settings
from autoassist_fairseq.tools.report.corpus import Text

Floats = NDArray[np.float64]

CHECKPOINT = "checkpoint_last.pt"
BINS = 10
EXAMPLES = 12
LONGEST_SHOWN = 300  # characters


@dataclass(frozen=True)
class Bin:
    """A tenth of the pairs, by length or by rarity: mean of that, and mean chance to be kept."""

    value: float
    keep: float


@dataclass(frozen=True)
class Example:
    """A pair that is skipped most: its number in the training set, chance to be kept, text."""

    pair: int
    keep: float
    source: str
    target: str


@dataclass(frozen=True)
class Keeping:
    """Whom an Assistant keeps.

    Attributes:
        run: its name.
        pairs: pairs that were scored, spread evenly over the training set, without those cut as
            hopeless, which are not its choice.
        keep: mean chance to be kept, in [0, 1].
        by_length: over target tokens.
        by_rarity: over the mean of -log relative frequency of the words of both sides, in nats.
        examples: the pairs skipped most; no two of the same text.
    """

    run: str
    pairs: int
    keep: float
    by_length: list[Bin]
    by_rarity: list[Bin]
    examples: list[Example]

    @property
    def sentence(self) -> str:
        """What the examples are taken from."""
        return (
            f"Of {self.pairs:,} pairs spread over the training set, without those cut as hopeless, "
            f"whose mean chance to be kept in the next pass is {self.keep:.0%}:"
        )


def keeping(state: Mapping[str, Any], run: str, text: Text) -> Keeping:
    """Return whom the Assistant with ``state`` keeps of the ``text`` that it was trained on.

    Raises:
        UserError: its policy does not ask it, or it cannot be read.
    """
    pairs, keep = _chances(state, text)
    length = text.corpus.target.sizes(pairs).astype(np.float64)
    by_length, by_rarity = bins(length, keep), bins(rarity(text, pairs), keep)
    examples = _examples(text, pairs, keep)
    return Keeping(run, len(pairs), float(keep.mean()), by_length, by_rarity, examples)


def _chances(state: Mapping[str, Any], text: Text) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the pairs [P] that are scored, and their chances [P] to be kept in the next pass."""
    policy, pairs = _restored(state, text), sample_pairs(len(text.corpus))
    rule = policy.inner if isinstance(policy, Hopeless) else policy
    rule.frozen = {"warm": 0.0}  # what the next pass goes by is not known yet
    if share := policy.settings.keep:
        policy.aim(pairs, text.corpus.target.sizes(pairs), share)
    if policy.settings.hopeless == "cut":
        pairs = pairs[~policy.hopeless(pairs)]
    return pairs, rule.keep_probability(pairs)


def bins(values: Floats, keep: NDArray[np.float32]) -> list[Bin]:
    """Cut the pairs into tenths by ``values``; equal values stay together."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    place = np.searchsorted(edges, values, side="left")
    return [
        Bin(float(values[here].mean()), float(keep[here].mean()))
        for number in range(len(edges) + 1)
        if (here := place == number).any()
    ]


def rarity(text: Text, pairs: NDArray[np.int64]) -> Floats:
    """Return the mean rarity [P] of the words of ``pairs``, in nats."""
    corpus = text.corpus
    sides = (corpus.source, corpus.source_words), (corpus.target, corpus.target_words)
    means = [side.describe(pairs, words.table())[:, kernels.MEAN_IDF] for side, words in sides]
    return np.asarray(sum(means) / 2, np.float64)


def assistant_state(folder: Path) -> Mapping[str, Any]:
    """Return the Assistant's state in ``folder``'s last checkpoint; `UserError` if none."""
    path = folder / CHECKPOINT
    if not path.is_file():
        raise UserError(f"whom it keeps is not known: {CHECKPOINT} is not there")
    # Reading a checkpoint takes PyTorch; a report without DATA does not.
    from autoassist_fairseq.tools.common import checkpoints

    state = checkpoints.assistant_state(path, "RUN_DIR")
    if state is None:
        raise UserError(f"{CHECKPOINT} holds no Assistant: every pair was kept")
    return state


def _restored(state: Mapping[str, Any], text: Text) -> Policy:
    try:
        saved = dict(state["settings"])
        known = {field.name for field in fields(Settings)}
        chosen: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v
            for name, v in saved.items()
            if name in known
        }
        if chosen["policy"] != "shrink":
            raise UserError(f"policy {chosen['policy']} does not ask the Assistant")
        assistant = Assistant(text.corpus, Settings(**chosen), horizon=1.0)
        assistant.load_state_dict(state["assistant"])
        policy = policy_of(assistant, assistant.settings, PairIds(len(text.corpus)))
        policy.load_state_dict(state["policy"])
    except (KeyError, ValueError, TypeError, AttributeError, StateError) as error:
        raise UserError(
            f"the Assistant in {CHECKPOINT} cannot be read ({type(error).__name__}: {error})"
        ) from error
    return policy


def _examples(text: Text, pairs: NDArray[np.int64], keep: NDArray[np.float32]) -> list[Example]:
    chances = dict(zip(pairs.tolist(), keep.tolist(), strict=True))
    least = pairs[np.argsort(keep, kind="stable")[: 20 * EXAMPLES]]
    return [
        Example(pair, chances[pair], source, target)
        for pair, source, target in distinct(text, least)
    ]


def distinct(text: Text, pairs: NDArray[np.int64]) -> list[tuple[int, str, str]]:
    """Return number, source and target of the first of ``pairs``, each text once."""
    found: dict[tuple[str, str], int] = {}
    for pair in pairs.tolist():
        source, target = (_short(side) for side in text.pair(pair))
        found.setdefault((source, target), pair)
        if len(found) == EXAMPLES:
            break
    return [(pair, *words) for words, pair in found.items()]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
