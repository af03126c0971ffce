"""Small corpora and a made-up Boss for the tests of the method and of its running."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.features import Corpus, WordTable
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.corpus.token_store import Segment, TokenSide
from autoassist_fairseq.schedule.folder import CORPUS, Folder
from autoassist_fairseq.schedule.messages import Feedback
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.plan import Plan
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.settings import Settings

WORDS = 50


def side_of(sentences: list[list[int]], words: int = WORDS, name: str = "source") -> TokenSide:
    sizes = np.array([len(sentence) for sentence in sentences], np.int32)
    tokens = np.concatenate([np.array(s, np.uint16) for s in sentences])
    return TokenSide([(Segment(tokens, np.cumsum(sizes) - sizes, sizes), 1)], words, name)


def random_sentences(rng: np.random.Generator, pairs: int, longest: int) -> list[list[int]]:
    return [rng.integers(4, WORDS, rng.integers(1, longest + 1)).tolist() for _ in range(pairs)]


def corpus_of(source: list[list[int]], target: list[list[int]]) -> Corpus:
    counts = np.bincount(np.concatenate([*map(np.array, source)]), minlength=WORDS)
    table = WordTable.from_counts(counts)
    return Corpus(side_of(source), side_of(target, name="target"), table, table)


def alone(policy: str = "shrink", hopeless: str = "off", **options: Any) -> Settings:
    """Settings of a policy by itself: hopeless pairs are not looked for."""
    return Settings(policy=policy, hopeless=hopeless, **options)


def make_planner(
    pairs: int, budget: Budget, settings: Settings, longest: int = 12, seed: int = 0
) -> Planner:
    """A planner over a random corpus."""
    return Planner(make_folder(pairs, longest, seed), budget, settings)


def make_folder(
    pairs: int, longest: int = 12, seed: int = 0, left_out: Sequence[int] = ()
) -> Folder:
    """A data folder with a random corpus."""
    rng = np.random.default_rng(seed)
    source, target = (random_sentences(rng, pairs, longest) for _ in range(2))
    sizes = [np.array([len(s) for s in side], np.int32) for side in (source, target)]
    fits = {CORPUS: f"{pairs} pairs of {seed}"}
    return Folder(corpus_of(source, target), PairIds(pairs, left_out), sizes[0], sizes[1], fits)


def boss_losses(pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """A Boss whose losses are a fixed function of the pair."""
    return (pairs * 2_654_435_761 % 1000 / 200 + 0.1).astype(np.float32)


def run_pass(planner: Planner, index: int, group: int) -> list[Plan]:
    """Plan and train one pass inline; return its plans."""
    planner.begin_pass(index, group)
    plans: list[Plan] = []
    waiting: list[tuple[Plan, int]] = []
    while planner.may_plan() or waiting:
        while planner.may_plan():
            plan = planner.plan_next()
            plans.append(plan)
            waiting += [(plan, u) for u in range(plan.first_update, plan.end_update)]
        if waiting:
            plan, update = waiting.pop(0)
            losses = boss_losses(np.concatenate(plan.update(update)))
            planner.learn(Feedback(plan.pass_index, update, losses))
    return plans


def train_passes(
    planner: Planner,
    passes: range,
    group: int,
    losses_of: Callable[[NDArray[np.int64], int], Any],
    stop: int | None = None,
) -> list[list[int]]:
    """Train on from where ``planner`` is; return the pairs of every update.

    Args:
        losses_of: the Boss: pairs and the pass -> their losses.
        stop: ends the last pass after so many updates.
    """
    record: list[list[int]] = []
    for index in passes:
        if planner.current is None or planner.current.index != index:
            planner.begin_pass(index, group)
        assert planner.current is not None
        while planner.learned < planner.current.updates:
            if index == passes[-1] and planner.learned == stop:
                return record
            while planner.may_plan():
                planner.plan_next()
            pairs = np.concatenate(planner.live[0].update(planner.learned))
            record.append(pairs.tolist())
            planner.learn(Feedback(index, planner.learned, losses_of(pairs, index)))
    return record


def trained(record: list[list[int]]) -> NDArray[np.int64]:
    """The pairs of all updates."""
    return np.array([pair for update in record for pair in update])
