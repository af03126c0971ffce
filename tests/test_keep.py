"""``--autoassist-keep``: the share of target tokens that is asked for is the share that is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from corpora import alone, make_planner, run_pass

from autoassist_fairseq.assistant.policies.keep_share import limit_for, shrink_for, weighted
from autoassist_fairseq.assistant.wrong.hopeless import Hopeless
from autoassist_fairseq.assistant.wrong.surprise import LIKELY, SURE
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.settings import Settings

HALF = np.full(4, 0.5, np.float32)
TOKENS = np.array([1, 2, 3, 4])
PAIRS = 6000
BUDGET = Budget(100, 0)
CHOOSING = {
    "shrink": alone(),
    "random": alone(policy="random"),
    "self-paced": alone(policy="self-paced"),
    "loss-table": alone(policy="loss-table", passes=99),
}


def test_the_safeguard_rate_by_hand() -> None:
    # g = 1/2 everywhere: s + (1 - s) / 2 = 0.7 for s = 0.4
    assert shrink_for(0.7, HALF, TOKENS, doubt=0.1) == pytest.approx((0.4, 1.0))
    # More doubt than that: s = 0.6, and 0.6 + 0.4 c / 2 = 0.7 for c = 1/2
    assert shrink_for(0.7, HALF, TOKENS, doubt=0.6) == pytest.approx((0.6, 0.5))
    # Less than g alone would keep: 0.1 + 0.9 c / 2 = 0.4 for c = 2/3
    assert shrink_for(0.4, HALF, TOKENS, doubt=0.1) == pytest.approx((0.1, 2 / 3))
    # Nothing is known of anybody: all by chance
    assert shrink_for(0.4, HALF, TOKENS, doubt=0.8) == pytest.approx((0.4, 0.0))
    assert shrink_for(0.5, np.ones(4, np.float32), TOKENS, doubt=0.0) == pytest.approx((0, 0.5))


def test_tokens_count_not_pairs() -> None:
    believed = np.array([1, 0, 0, 0], np.float32)
    assert weighted(believed, np.array([7, 1, 1, 1])) == pytest.approx(0.7)
    assert weighted(believed[:0], TOKENS[:0]) == 0
    assert shrink_for(0.7, believed, np.array([7, 1, 1, 1]), 0.0) == pytest.approx((0, 1))


@pytest.mark.parametrize("doubt", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_any_belief_comes_to_the_share(share: float, doubt: float) -> None:
    rng = np.random.default_rng(3)
    believed, tokens = rng.random(500).astype(np.float32), rng.integers(1, 50, 500)
    s, c = shrink_for(share, believed, tokens, doubt)
    keep = s + (1 - s) * c * believed
    assert keep.min() >= 0 and keep.max() <= 1
    assert weighted(keep.astype(np.float32), tokens) == pytest.approx(share, abs=1e-5)


def test_the_limit_by_hand() -> None:
    losses = np.array([4.0, 1.0, np.nan, 2.0, 3.0], np.float32)
    tokens = np.array([10, 10, 10, 10, 60])
    assert limit_for(0.2, losses, tokens) == 3.0  # 1.0 and 2.0 lie below
    assert limit_for(0.24, losses, tokens) == 3.0  # nearer than with the 60
    assert limit_for(0.6, losses, tokens) == 4.0
    assert limit_for(0.9, losses, tokens) == np.inf  # the rest is not known
    assert limit_for(0.0, losses, tokens) == 1.0
    assert limit_for(0.5, losses[:0], tokens[:0]) == np.inf


def share_of(settings: Settings, share: float) -> float:
    """The share of target tokens that the third pass keeps."""
    planner = make_planner(PAIRS, BUDGET, replace(settings, keep=share))
    shares = []
    for index in (1, 2, 3):
        stats = [plan.stats for plan in run_pass(planner, index, 1)]
        considered = sum(one.considered_tokens for one in stats)
        shares.append(sum(one.kept_tokens for one in stats) / considered)
    assert shares[0] == 1  # warm-up
    return shares[2]


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.4, 0.7])
@pytest.mark.parametrize("policy", CHOOSING)
def test_a_pass_keeps_the_share_that_was_asked_for(policy: str, share: float) -> None:
    # Batches are whole, and draws are draws: to a hundredth
    assert share_of(CHOOSING[policy], share) == pytest.approx(share, abs=0.015)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["shrink", "random"])
def test_hopeless_pairs_count_among_the_share(policy: str) -> None:
    settings = replace(CHOOSING[policy], keep=0.6, hopeless="cut", warmup_passes=0)
    planner = make_planner(PAIRS, BUDGET, settings)
    assert isinstance(planner.policy, Hopeless)
    pairs = planner.folder.ids[:]
    run_pass(planner, 1, 1)
    planner.policy.begin(planner._moment(2, 1, 1))
    planner.policy.opinion.surprise.set_classes(pairs[::5], np.full(len(pairs[::5]), SURE))
    planner.policy.opinion.surprise.set_classes(pairs[1::5], np.full(len(pairs[1::5]), LIKELY))
    planner._aim(2)
    tokens = planner.folder.target_sizes[pairs]
    keep = planner.policy.keep_probability(pairs)
    assert weighted(keep, tokens) == pytest.approx(0.6, abs=1e-3)
    assert keep[::5] == pytest.approx(0.05) and keep[1::5] == pytest.approx(0.525)


def test_what_is_asked_is_frozen_and_saved() -> None:
    planner = make_planner(500, BUDGET, alone(keep=0.5))
    for index in (1, 2):
        run_pass(planner, index, 1)
    planner.begin_pass(3, 1)
    chances = planner.policy.keep_probability(np.arange(500))
    again = make_planner(500, BUDGET, alone(keep=0.9))
    again.load_state_dict(planner.state_dict())
    assert np.array_equal(again.policy.keep_probability(np.arange(500)), chances)
    assert again.selection.safeguard == planner.policy.frozen["safeguard"]


def test_it_is_refused_where_nobody_could_follow() -> None:
    for policy in ("uniform", "competence", "importance", "off"):
        assert any("`--autoassist-keep` must go with a policy" in told
                   for told in alone(policy=policy, keep=0.7).problems())  # fmt: skip
    for bad in (-0.1, 1.0, 2.0, float("nan")):
        told = alone(keep=bad).problems()
        assert any("`--autoassist-keep` must be in (0, 1), or 0 (not set)" in one for one in told)
    assert not alone(keep=0.7).problems()
