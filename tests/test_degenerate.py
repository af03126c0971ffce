"""Nothing to tell pairs apart by, and absurd losses: no NaN, no warning, every pass complete."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from corpora import alone, corpus_of

from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.trivial.threshold import LARGEST_LOSS
from autoassist_fairseq.schedule.folder import Folder
from autoassist_fairseq.schedule.messages import Feedback
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.settings import FEATURE_FAMILIES, POLICIES, Settings

CORPORA = {
    "one pair": [[4, 5, 2]],
    "all alike": [[4, 5, 2]] * 300,
    "one word": [[4] * (n % 9 + 1) for n in range(300)],
    "ends only": [[2]] * 300,
}
LOSSES: dict[str, Callable[[int], Any]] = {
    "equal": lambda n: np.full(n, 3.3),
    "zero": np.zeros,
    "missing": lambda n: np.full(n, -1.0),
    "huge": lambda n: np.arange(n) * 1e30,
    "not finite": lambda n: np.where(np.arange(n) % 3, np.nan, np.inf),
    "two": lambda n: np.arange(n) % 2 * 1.0,
}


def train(sentences: list[list[int]], settings: Settings, losses: Callable[[int], Any]) -> None:
    sizes = np.array([len(sentence) for sentence in sentences], np.int32)
    corpus, ids = corpus_of(sentences, sentences), PairIds(len(sentences))
    planner = Planner(Folder(corpus, ids, sizes, sizes), Budget(200, 0), settings)
    assistant = planner.assistant
    for index in range(1, 5):
        updates = planner.begin_pass(index, 1).updates
        while planner.learned < updates:
            while planner.may_plan():
                planner.plan_next()
            count = sum(map(len, planner.live[0].update(planner.learned)))
            told = losses(count).astype(np.float32)
            planner.learn(Feedback(index, planner.learned, told))
    chances = planner.policy.keep_probability(ids[:])
    assert (chances >= 0).all() and (chances <= 1).all()
    assert not assistant.threshold.value > LARGEST_LOSS
    assert all(np.isfinite(array).all() for array in assistant.model.arrays.values())


@pytest.mark.slow
@pytest.mark.parametrize("corpus", CORPORA)
@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "off"])
def test_nothing_to_tell_pairs_apart_by(corpus: str, policy: str) -> None:
    kinds = {"hopeless": "cut", "features": FEATURE_FAMILIES, "passes": 6, "pace": 2.0}
    settings = alone(policy=policy, difficulty="rarity", **kinds)  # type: ignore[arg-type]
    for losses in LOSSES.values():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            train(CORPORA[corpus], settings, losses)
