"""Hopeless pairs are found without labels, treated as asked, and can come back."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from corpora import make_planner, train_passes, trained
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus import pair_ids
from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.policies.policy import Policy
from autoassist_fairseq.assistant.wrong import hopeless, opinion, surprise, text_judge
from autoassist_fairseq.assistant.wrong.bigrams import Bigrams
from autoassist_fairseq.assistant.wrong.hopeless import Hopeless
from autoassist_fairseq.assistant.wrong.mixture import Mixture
from autoassist_fairseq.assistant.wrong.surprise import LIKELY, OTHER, PASSES, SURE, Drift, Surprise
from autoassist_fairseq.errors import StateError
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.schedule.selection import Selection
from autoassist_fairseq.settings import Settings

pytestmark = pytest.mark.slow  # many passes

PAIRS, BAD = 4_000, 1_200
CUT = Settings(policy="uniform", hopeless="cut", reexamine=0.1)


@pytest.fixture(autouse=True)
def text_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave it to the surprise; tests/test_hopeless_text.py has both."""
    monkeypatch.setattr(text_judge, "LEAST", PAIRS + 1)


def planner_of(settings: Settings = CUT, **changes: Any) -> Planner:
    return make_planner(PAIRS, Budget(240, 0), replace(settings, **changes))


def hopeless_of(planner: Planner) -> Hopeless:
    assert isinstance(planner.policy, Hopeless)
    return planner.policy


def losses_of(planner: Planner, pairs: NDArray[np.int64], index: int, bad: int) -> Any:
    """A Boss that learns, but loses the bigram model's cost on the pairs below ``bad``."""
    expectation = planner.assistant.expectation
    costs = expectation.costs[pairs] if isinstance(expectation, Bigrams) else np.full(len(pairs), 3)
    noise = np.random.default_rng([index, int(pairs[0])]).normal(0, 0.25, len(pairs))
    learned = np.where(pairs < bad, 0.0, 0.4 * min(index, 4))
    return np.maximum(costs - learned + noise, 0).astype(np.float32)


def run(
    planner: Planner, passes: range, bad: int = BAD, stop: int | None = None
) -> list[list[int]]:
    """Train; return the pairs of every update. ``stop`` ends the last pass after so many."""
    return train_passes(planner, passes, 1, lambda p, i: losses_of(planner, p, i, bad), stop)


@pytest.mark.parametrize("policy", ["uniform", "shrink", "random", "loss-table"])
def test_hopeless_pairs_are_found_and_left_out(policy: str) -> None:
    planner = planner_of(policy=policy, passes=9)
    run(planner, range(1, 7))
    kept = trained(run(planner, range(7, 8)))
    found = hopeless_of(planner).hopeless(np.arange(PAIRS))
    truth = np.arange(PAIRS) < BAD
    assert (found & truth).sum() > 0.9 * BAD and (found & ~truth).sum() < 0.04 * PAIRS
    # Hopeless pairs are trained on at the rate of examining them again, the others as ever.
    sure = hopeless_of(planner).opinion.surprise.classes(np.arange(PAIRS)) == SURE
    assert 0.05 < np.isin(np.flatnonzero(sure), kept).mean() < 0.16
    assert sure.sum() > 0.8 * found.sum()
    others = np.isin(np.flatnonzero(~found), kept).mean()
    assert others == 1 if policy == "uniform" else 0.3 < others < 1


def test_without_noise_next_to_nothing_is_cut() -> None:
    planner = planner_of()
    kept = trained(run(planner, range(1, 7), bad=0)[-50:])
    assert len(kept) and hopeless_of(planner).hopeless(np.arange(PAIRS)).mean() < 0.03


def test_nobody_is_hopeless_before_the_third_pass() -> None:
    planner = planner_of()
    assert len(trained(run(planner, range(1, 3)))) == 2 * PAIRS
    assert not hopeless_of(planner).hopeless(np.arange(PAIRS)).any()
    assert np.isinf(planner.policy.surprise_threshold)


@pytest.mark.parametrize(("chance", "says"), [(1.0, False), (0.3, True)])
def test_surprise_has_a_say_where_those_measured_stand_for_nearly_all(
    chance: float, says: bool
) -> None:
    """A curriculum's first passes are short, and its pairs surprise less from update to update."""
    opinion = hopeless_of(planner_of()).opinion
    opinion.believed = 0.0
    some = np.arange(0.3 * PAIRS, dtype=np.int64)
    losses = np.where(some % 3, 2.0, 6.0) + np.random.default_rng(1).normal(0, 0.3, len(some))
    expected = np.full(len(some), 3, np.float32)
    opinion.surprise.learn(some, losses.astype(np.float32), expected, 2)
    opinion.surprise.note(np.arange(PAIRS), np.full(PAIRS, chance, np.float32))
    opinion.weigh(3, PAIRS, parted=False)
    assert (opinion.mixture is not None) == says


def test_keep_finds_them_and_cuts_nobody() -> None:
    planner, plain = planner_of(hopeless="keep"), planner_of(hopeless="off")
    assert run(planner, range(1, 5)) == run(plain, range(1, 5))
    assert planner.live == plain.live
    assert hopeless_of(planner).hopeless(np.arange(BAD)).mean() > 0.9


def test_weight_trains_on_them_with_little_weight() -> None:
    planner = planner_of(hopeless="weight", reexamine=0.2)
    run(planner, range(1, 5))
    now = planner.begin_pass(5, 1)
    plan = planner.plan_next()
    assert plan.stats.kept == plan.stats.considered == len(now.pairs_of(0))
    found = planner.policy.hopeless(plan.batches.pairs)
    assert plan.weights is not None and found.any() and plan.stats.hopeless == found.sum()
    classes = hopeless_of(planner).opinion.surprise.classes(plan.batches.pairs)
    weights = np.array([1, 0.6, 0.2], np.float32)
    assert plan.weights.tolist() == weights[classes].tolist()


def test_a_pair_that_the_boss_learns_after_all_comes_back() -> None:
    planner = planner_of(reexamine=0.5)
    run(planner, range(1, 5))
    before = hopeless_of(planner).hopeless(np.arange(600)).mean()
    run(planner, range(5, 11), bad=0)  # the Boss learns all of them
    after = hopeless_of(planner).hopeless(np.arange(600)).mean()
    assert before > 0.9 and after < 0.1


def test_classes_change_with_hysteresis() -> None:
    planner = planner_of(hopeless="keep")
    run(planner, range(1, 5))
    policy = hopeless_of(planner)
    planner.begin_pass(5, 1)
    two, everyone, standard = np.array([0, 1]), np.arange(PAIRS), policy.opinion.standard
    tokens = planner.folder.target_sizes[two]
    usual = standard.level + standard.tilt * np.log(tokens)
    just_below = policy.surprise_threshold - 0.02
    policy.opinion.surprise.surprises[two] = usual + just_below * standard.spread / np.sqrt(tokens)
    assert (policy.opinion.now(two, 5) < policy.surprise_threshold).all()
    classed = np.arange(0, PAIRS, 2)
    policy.opinion.surprise.set_classes(
        everyone, np.where(np.isin(everyone, classed), LIKELY, OTHER)
    )
    policy._class(5)
    assert policy.hopeless(two).tolist() == [True, False]


def test_two_kinds_stay_two_when_they_come_a_little_nearer(monkeypatch: pytest.MonkeyPatch) -> None:
    planner = planner_of(hopeless="keep")
    run(planner, range(1, 5))
    policy, near = hopeless_of(planner), Mixture((0.7, 0.3), (0.0, 0.7), (0.5, 0.5))
    monkeypatch.setattr(opinion, "fit", lambda values, weights: near)
    assert 1.25 < near.distance < 1.5
    policy.frozen["threshold"] = 0.5
    assert np.isfinite(policy._class(5))
    policy.frozen["threshold"] = np.inf
    assert np.isinf(policy._class(5)) and not policy.hopeless(np.arange(PAIRS)).any()


@pytest.mark.parametrize("policy", ["uniform", "shrink"])
def test_what_is_saved_within_a_pass_goes_on_as_if_never_stopped(policy: str) -> None:
    settings = replace(CUT, policy=policy, features=("length", "tokens", "expected"))
    whole, stopped, resumed = (planner_of(settings) for _ in range(3))
    head = run(stopped, range(1, 6), stop=7)
    resumed.load_state_dict(stopped.state_dict())
    tail = run(resumed, range(5, 8))
    assert head + tail == run(whole, range(1, 8))
    states = [planner.policy.state_dict()["surprise"]["surprises"] for planner in (whole, resumed)]
    assert states[0].tobytes() == states[1].tobytes() and np.isfinite(states[0]).any()


def test_who_fills_a_pass_that_is_no_longer_cut_is_drawn_whatever_the_length() -> None:
    stopped, resumed = planner_of(), planner_of(hopeless="off")
    seen = trained(run(stopped, range(1, 5), stop=7)[-7:])
    resumed.load_state_dict(stopped.state_dict())
    kept = np.concatenate([seen, trained(run(resumed, range(4, 5)))])
    sizes = np.maximum(resumed.folder.source_sizes, resumed.folder.target_sizes)
    left = np.setdiff1d(np.arange(PAIRS), kept)
    assert len(kept) + len(left) == PAIRS and len(left) > 0.2 * PAIRS
    assert sizes[left].mean() == pytest.approx(sizes.mean(), rel=0.1)


def test_a_policy_may_change_on_resume_within_a_pass() -> None:
    for before, after in (("off", "cut"), ("cut", "off"), ("cut", "weight"), ("weight", "cut")):
        stopped, resumed = planner_of(hopeless=before), planner_of(hopeless=after)
        run(stopped, range(1, 6), stop=7)
        resumed.load_state_dict(stopped.state_dict())
        assert resumed.current is not None
        owed = resumed.current.updates - resumed.learned
        assert len(run(resumed, range(5, 6))) == owed
        run(resumed, range(6, 8))


@pytest.mark.parametrize(
    ("policy", "rate"), [("loss-table", 0.7), ("random", 0.5), ("shrink", 0.5)]
)
def test_a_measurement_counts_for_those_that_its_pair_stands_for(
    policy: str, rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another policy leaves out are easy pairs: hopeless ones must not seem to be many."""
    planner = planner_of(
        policy=policy, hopeless="keep", rate=(rate,), passes=99, base_prob=0.05, warmup_passes=2
    )
    run(planner, range(1, 5), bad=200)
    measured = hopeless_of(planner).opinion.surprise.ages(np.arange(PAIRS), 5) == 1
    counted: list[Any] = []
    monkeypatch.setattr(opinion, "fit", lambda values, weights: counted.append(weights))
    planner.begin_pass(5, 1)
    (weights,), bad = counted, np.flatnonzero(measured) < 200
    assert measured.mean() < 0.8, "some were left out"
    assert weights.sum() == pytest.approx(PAIRS, rel=0.04)
    assert weights[bad].sum() == pytest.approx(200, rel=0.1)


def test_a_large_corpus_is_looked_at_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """8 bytes a pair (2 in `Bigrams`, 1 in `TextJudge`) are remembered; nothing else grows."""
    for place in (surprise, hopeless, pair_ids):
        monkeypatch.setattr(place, "BLOCK" if place is pair_ids else "SAMPLE", 1_000)
    pairs = 200_000
    tracemalloc.start()
    memory = Surprise(pairs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5.1 * pairs
    planner = planner_of()
    policy = Hopeless(Policy(planner.assistant, CUT, PairIds(pairs)))
    policy.opinion.surprise = memory
    memory.surprises[::3] = np.random.default_rng(0).normal(0, 1, -(-pairs // 3))
    memory.passes[:], memory.chances[:] = 4, 1 / 3
    monkeypatch.setattr(policy.opinion, "_tokens", lambda ids: np.full(len(ids), 7))
    monkeypatch.setattr(policy.opinion.text, "empty", lambda ids: np.zeros(len(ids), np.bool_))
    chosen = Selection(policy)
    for two_kinds in (None, Mixture((0.7, 0.3), (-9.0, 2.0), (1.0, 1.0))):
        monkeypatch.setattr(opinion, "fit", lambda values, weights, found=two_kinds: found)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        memory.begin(5)
        policy._class(5)
        found = any(map(chosen.hopeless, policy.ids.blocks()))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found == bool(two_kinds) and peak - before < 0.7 * pairs


def test_a_memory_of_another_corpus_is_refused() -> None:
    state = Surprise(7).state_dict()
    with pytest.raises(StateError, match="8 pairs.*remembers 7.*--reset-dataloader"):
        Surprise(8).load_state_dict(state)


def test_ages_class_and_pass_share_a_byte() -> None:
    memory, pairs = Surprise(4), np.arange(4)
    index = 2 * PASSES + 5
    memory.learn(pairs[:2], np.ones(2, np.float32), np.zeros(2, np.float32), index)
    memory.set_classes(pairs, np.array([LIKELY, OTHER, SURE, OTHER]))
    memory.learn(pairs[2:], np.ones(2, np.float32), np.zeros(2, np.float32), index + 1)
    assert memory.ages(pairs, index + 3).tolist() == [3, 3, 2, 2]
    assert memory.classes(pairs).tolist() == [LIKELY, OTHER, SURE, OTHER]


def test_a_surprise_does_not_become_young_again() -> None:
    memory, pairs = Surprise(3), np.arange(3)
    memory.set_classes(pairs, np.array([SURE, OTHER, LIKELY]))
    memory.learn(pairs, np.ones(3, np.float32), np.zeros(3, np.float32), 5)
    for index in range(6, 5 + 3 * PASSES):
        memory.begin(index)
        assert memory.ages(pairs, index).tolist() == [min(index - 5, PASSES - 1)] * len(pairs)
        if index == 100:
            memory.learn(np.arange(1), np.ones(1, np.float32), np.zeros(1, np.float32), index)
            pairs = pairs[1:]
    assert memory.classes(np.arange(3)).tolist() == [SURE, OTHER, LIKELY]


def test_other_folders_between_do_not_age_what_is_remembered() -> None:
    """A second data folder: passes 1, 3, 5, 7 are over this one, and still follow each other."""
    planner = planner_of(hopeless="keep")
    run(planner, range(1, 9, 2))
    planner.begin_pass(9, 1)
    assert np.isfinite(planner.policy.surprise_threshold)
    assert hopeless_of(planner).hopeless(np.arange(BAD)).mean() > 0.9


def test_old_surprises_move_as_those_measured_again_did() -> None:
    drift, rng = Drift(), np.random.default_rng(0)
    values = rng.normal(0.2, 0.5, 500)
    drift.add(values, 2 * values - 0.3)
    drift.end_pass()
    drift.add(2 * values - 0.3, 1.5 * (2 * values - 0.3) + 1)
    drift.end_pass()
    moved = drift.forward(np.array([0.4, 0.4, 0.4], np.float32), np.array([0, 1, 2]))
    assert moved.tolist() == pytest.approx([0.4, 1.5 * 0.4 + 1, 1.5 * (2 * 0.4 - 0.3) + 1])
    drift.end_pass()  # nothing measured: nothing known to have moved
    assert drift.lines[-1] == (0.0, 1.0)
