"""Every policy keeps the promises of a pass, and does what its rule says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from corpora import alone, boss_losses, make_planner, run_pass
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.difficulty import difficulty
from autoassist_fairseq.assistant.wrong.text_judge import TextJudge
from autoassist_fairseq.schedule.messages import Feedback
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.plan import Plan
from autoassist_fairseq.schedule.planner import Planner
from autoassist_fairseq.settings import POLICIES

pytestmark = pytest.mark.slow  # many passes of every policy: seconds in all

PAIRS, BUDGET = 1500, Budget(60, 0)
PLANNED = (*(name for name in POLICIES if name != "off"), "by worth")
CHOOSING = {
    "shrink": alone(),
    "random": alone(policy="random", rate=(0.4,)),
    "self-paced": alone(policy="self-paced", pace=4),
    "loss-table": alone(policy="loss-table", rate=(0.5,), passes=8),
    "competence": alone(policy="competence", difficulty="length", pace=2),
    "by worth": alone(policy="competence", difficulty="worth", pace=2),
}
SETTLED = [name for name in CHOOSING if name != "shrink"]


def planner_of(name: str, pairs: int = PAIRS, seed: int = 0, **changes: Any) -> Planner:
    settings = CHOOSING.get(name, alone(policy=name))
    return make_planner(pairs, BUDGET, replace(settings, seed=seed + 1, **changes))


def trained(plans: list[Plan]) -> NDArray[np.int64]:
    return np.concatenate([plan.batches.pairs for plan in plans])


@pytest.mark.parametrize("name", PLANNED)
@pytest.mark.parametrize("group", [1, 3])
def test_passes_are_as_long_as_promised_and_train_nothing_twice(name: str, group: int) -> None:
    planner = planner_of(name)
    for index in range(1, 6):
        plans = run_pass(planner, index, group)
        assert planner.current is not None
        assert sum(plan.updates for plan in plans) == planner.current.updates
        assert sum(plan.stats.considered for plan in plans) == PAIRS
        pairs = trained(plans)
        assert len(pairs) == len(set(pairs.tolist())) == sum(plan.stats.kept for plan in plans)
        assert all(
            plan.weights is None or len(plan.weights) == len(plan.batches.pairs) for plan in plans
        )


@pytest.mark.parametrize("name", PLANNED)
def test_what_is_saved_within_a_pass_goes_on_as_if_never_stopped(name: str) -> None:
    whole, stopped, resumed = (planner_of(name) for _ in range(3))
    for planner in (whole, stopped):
        for index in (1, 2, 3):
            run_pass(planner, index, 2)
    head = drive(stopped, 4, stop=9)
    resumed.load_state_dict(stopped.state_dict())
    assert head + drive(resumed, 4, begin=False) == drive(whole, 4) and len(head) == 9


def drive(
    planner: Planner, index: int, stop: int | None = None, begin: bool = True
) -> list[tuple[list[int], Any]]:
    """Train pass ``index`` up to ``stop`` updates; return pairs and weights of every update."""
    if begin:
        planner.begin_pass(index, 2)
    record = []
    while planner.current is not None and planner.learned < planner.current.updates:
        if planner.learned == stop:
            break
        while planner.may_plan():
            planner.plan_next()
        plan, update = planner.live[0], planner.learned
        pairs = np.concatenate(plan.update(update))
        weights = [w if w is None else w.tolist() for w in plan.weights_of(update)]
        record.append((pairs.tolist(), weights))
        planner.learn(Feedback(index, update, boss_losses(pairs)))
    return record


@pytest.mark.parametrize("name", SETTLED)
def test_a_settled_policy_gets_exactly_whom_it_chose(name: str) -> None:
    planner = planner_of(name)
    for index in range(1, 4):
        run_pass(planner, index, 1)
    now = planner.begin_pass(4, 1)
    chosen = np.concatenate(
        [planner.selection.candidates(now, window) for window in range(now.windows)]
    )
    planner = planner_of(name)
    plans = [run_pass(planner, index, 1) for index in range(1, 5)][-1]
    assert sorted(trained(plans)) == sorted(chosen) and 0 < len(chosen) < PAIRS


def test_random_drops_its_share_after_the_warm_up_whatever_the_losses() -> None:
    planner = planner_of("random", pairs=20_000)
    assert len(trained(run_pass(planner, 1, 1))) == 20_000
    kept = trained(run_pass(planner, 2, 1))
    assert len(kept) / 20_000 == pytest.approx(0.6, abs=0.015)
    losses, everyone = boss_losses(kept), boss_losses(np.arange(20_000))
    assert losses.mean() == pytest.approx(everyone.mean(), rel=0.03)


def test_random_follows_a_rate_for_each_pass() -> None:
    planner = planner_of("random", pairs=8000, rate=(0.0, 0.2, 0.7))
    shares = [len(trained(run_pass(planner, index, 1))) / 8000 for index in (1, 2, 3, 4)]
    assert shares == pytest.approx([1, 0.8, 0.3, 0.3], abs=0.02)


def test_competence_opens_the_easy_pairs_first() -> None:
    planner = planner_of("competence", difficulty="rarity")
    hardness = difficulty(planner.assistant.model.corpus, planner.folder.ids[:], "rarity")
    sizes = []
    for index in range(1, 12):
        pairs = trained(run_pass(planner, index, 1))
        sizes.append(len(pairs))
        assert hardness[pairs].max() <= np.sort(hardness)[len(pairs) - 1]
    assert sizes == sorted(sizes) and sizes[0] < 0.05 * PAIRS and sizes[-1] == PAIRS


@pytest.mark.parametrize("policy", ["competence", "self-paced"])
@pytest.mark.parametrize("end", ["updates", "passes", "few passes", "budget"])
def test_pairs_are_open_after_four_fifths_of_training(policy: str, end: str) -> None:
    """A curriculum's also after three full passes, which come first but where passes are few."""
    settings: dict[str, Any] = {"pace": 0.0, "warmup_passes": 0.0}
    most = 5 if end == "few passes" else 10
    settings |= {"updates": 800} if end == "updates" else {"passes": most}
    planner = planner_of(policy, **settings)
    for index in range(1, most + 1):
        done = index / 12 if end == "budget" else float("nan")  # beside what the settings say
        trained_before, now = planner.trained, planner.begin_pass(index, 1, done)
        done = {"updates": now.updates and planner.updates_before / 800, "budget": done}.get(
            end, (index - 1) / most
        )
        drive(planner, index, begin=False)
        share = np.mean(planner.policy.keep_probability(planner.folder.ids[:]))
        if policy == "competence":
            way = max(done / 0.8, trained_before / 3)  # full passes
            assert share == pytest.approx(max(np.sqrt(min(way, 1)), 0.01), abs=2e-3)
        else:
            assert (share == 1) == (done >= 0.8 or index == 1)


def test_a_curriculum_whose_end_nobody_knows_opens_by_itself() -> None:
    planner, shares = planner_of("competence", pace=0.0), []
    assert not planner.settings.problems()
    for index in range(1, 13):
        before = planner.trained
        shares.append(len(trained(run_pass(planner, index, 1))) / PAIRS)
        assert (shares[-1] == 1) == (before >= 3)
    assert shares == sorted(shares) and shares[-2:] == [1, 1]


def test_an_assistant_that_begins_late_goes_by_what_is_left() -> None:
    planner = planner_of("competence", pace=0.0, updates=900)
    run_pass(planner, 1, 1)
    planner.started = 100  # as fairseq counts its updates
    again = planner_of("competence", pace=0.0, updates=900)
    again.load_state_dict(planner.state_dict())
    again.updates_before = 160
    again.begin_pass(2, 1)
    share = again.policy.keep_probability(again.folder.ids[:]).mean()
    assert share == pytest.approx(np.sqrt(160 / 800 / 0.8), abs=2e-3)


def test_where_updates_are_counted_anew_so_is_what_is_left() -> None:
    planner = planner_of("competence", pace=0.0, updates=900)
    run_pass(planner, 1, 1)
    planner.started = -100  # as `AutoAssistIterator.count_from` says
    planner.updates_before, planner.current = 280, None
    planner.begin_pass(2, 1)
    share = planner.policy.keep_probability(planner.folder.ids[:]).mean()
    assert share == pytest.approx(np.sqrt(180 / 900 / 0.8), abs=2e-3)


def test_what_text_has_told_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    planner = planner_of("by worth")
    run_pass(planner, 1, 1)
    saved = planner.state_dict()
    expected = [trained(run_pass(planner, index, 1)) for index in (2, 3)]
    monkeypatch.setattr(TextJudge, "examine", None)  # who reads again, fails
    again = planner_of("by worth")
    again.load_state_dict(saved)
    assert [trained(run_pass(again, index, 1)).tolist() for index in (2, 3)] == [
        pairs.tolist() for pairs in expected
    ]


def test_rarity_is_minus_the_log_probability_of_the_sentence() -> None:
    corpus = make_planner(30, BUDGET, alone()).assistant.model.corpus
    rarity = difficulty(corpus, np.arange(30), "rarity")
    tokens = corpus.source.gather(np.arange(30))
    for pair, value in enumerate(rarity):
        words = tokens.tokens[tokens.offsets[pair] : tokens.offsets[pair + 1]]
        assert value == pytest.approx(corpus.source_words.idf[words].sum(), rel=1e-4)


def test_self_paced_weights_fall_with_the_loss() -> None:
    planner = planner_of("self-paced")
    run_pass(planner, 1, 1)
    plans = run_pass(planner, 2, 1)
    pairs = trained(plans)
    weights = np.concatenate([plan.weights for plan in plans if plan.weights is not None])
    losses = boss_losses(pairs)
    limit = np.sort(boss_losses(np.arange(PAIRS)))[PAIRS // 4 - 1]
    assert weights == pytest.approx((1 - losses / limit) ** (1 / 3), rel=1e-3)
    assert losses.max() < limit and plans[0].stats.threshold == pytest.approx(limit)


def test_the_loss_table_s_weighted_sums_are_unbiased() -> None:
    """Summed over a pass, weighted losses and weighted counts are those of all pairs."""
    everyone = boss_losses(np.arange(PAIRS))
    sums = []
    for seed in range(60):
        planner = planner_of("loss-table", seed=seed)
        run_pass(planner, 1, 1)
        plans = run_pass(planner, 2, 1)
        pairs, weights = trained(plans), np.concatenate([plan.weights for plan in plans])  # type: ignore[misc]
        easy = everyone[pairs] < everyone.mean()
        assert (weights[easy] == 2).all() and (weights[~easy] == 1).all()
        sums.append([weights.sum(), (weights * everyone[pairs]).sum()])
    mean, error = np.mean(sums, 0), np.std(sums, 0, ddof=1) / np.sqrt(len(sums))
    expected = np.array([PAIRS, everyone.sum()])
    assert (np.abs(mean - expected) < 3.5 * error).all() and (error < 0.005 * expected).all()


def test_the_loss_table_ends_with_all_data() -> None:
    for passes in (8, 4):  # the last eighth is the last pass, or the end of it
        planner = planner_of("loss-table", passes=passes)
        sizes = [len(trained(run_pass(planner, index, 1))) for index in range(1, passes + 1)]
        assert sizes[0] == sizes[-1] == PAIRS and max(sizes[1:-1]) < 0.85 * PAIRS
    counted = planner_of("loss-table", updates=2 * 10**9, passes=0)
    run_pass(counted, 1, 1)
    assert len(trained(run_pass(counted, 99, 1))) < PAIRS, "by updates, if no pass ends it"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("random", "competence"),
        *[(a, b) for a in ("competence", "by worth") for b in ("competence", "by worth") if a != b],
    ],
)
def test_another_policy_may_take_over_within_a_pass(before: str, after: str) -> None:
    planner = planner_of(before)
    for index in (1, 2):
        run_pass(planner, index, 2)
    drive(planner, 3, stop=5)
    other = planner_of(after)
    other.load_state_dict(planner.state_dict())
    promised = other.current.updates if other.current else 0
    drive(other, 3, begin=False)
    assert other.learned == promised
