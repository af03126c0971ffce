"""Packing, planning, passes: nothing lost, nothing trained twice, the length exact."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from corpora import alone, boss_losses, make_planner, run_pass
from hypothesis import given, settings
from hypothesis import strategies as st

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.schedule import passes
from autoassist_fairseq.schedule.batches import Batches
from autoassist_fairseq.schedule.packing import Budget, packing_order, split_to
from autoassist_fairseq.schedule.plan import choose, deal, pack_window
from autoassist_fairseq.schedule.planner import Planner

budgets = st.builds(
    Budget,
    st.integers(12, 120),
    st.sampled_from([0, 1, 3, 7, 16]),
    st.sampled_from([1, 2, 8]),
)
lengths_lists = st.lists(st.integers(1, 12), min_size=1, max_size=80)


def test_packing_worked_example() -> None:
    lengths = np.array([6, 5, 5, 3, 2, 2, 2, 1])
    assert Budget(12, 0).pack(lengths).tolist() == [0, 2, 4, 8]
    assert Budget(0, 3).pack(lengths).tolist() == [0, 3, 6, 8]
    assert Budget(12, 0, 2).pack(np.array([4, 4, 4, 4])).tolist() == [0, 2, 4]


@given(lengths_lists, budgets)
def test_batches_keep_the_budget(lengths: list[int], budget: Budget) -> None:
    down = np.sort(np.array(lengths))[::-1]
    offsets = budget.pack(down)
    sizes = np.diff(offsets)
    assert offsets[0] == 0 and offsets[-1] == len(lengths) and (sizes > 0).all()
    assert len(sizes) == budget.count(down)
    for begin, size in zip(offsets, sizes, strict=False):
        assert size == 1 or size * down[begin] <= budget.max_tokens
        assert not budget.max_pairs or size <= budget.max_pairs
    assert all(s % budget.multiple == 0 or s < budget.multiple for s in sizes[:-1])


@given(st.lists(st.integers(1, 9), min_size=1, max_size=7), st.integers(9, 30))
def test_no_packing_needs_fewer_batches(lengths: list[int], max_tokens: int) -> None:
    def fewest(rest: tuple[int, ...]) -> int:
        if not rest:
            return 0
        head, tail = rest[0], rest[1:]
        room = max_tokens // head - 1
        options = (
            tuple(x for i, x in enumerate(tail) if i not in chosen)
            for size in range(min(room, len(tail)) + 1)
            for chosen in itertools.combinations(range(len(tail)), size)
        )
        return 1 + min(map(fewest, options))

    down = sorted(lengths, reverse=True)
    assert Budget(max_tokens, 0).count(np.array(down)) == fewest(tuple(down))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.data())
def test_split_makes_exactly_as_many_batches(sizes: list[int], data: st.DataObject) -> None:
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    wanted = data.draw(st.integers(len(sizes), sum(sizes)))
    split = split_to(offsets, wanted)
    assert len(split) == wanted + 1 and (np.diff(split) > 0).all()
    assert set(offsets) <= set(split)


def test_packing_order_pads_little() -> None:
    source = np.array([3, 9, 9, 4, 9, 2])
    target = np.array([5, 2, 9, 9, 7, 2])
    order = packing_order(source, target)
    longest = np.maximum(source, target)[order]
    assert longest.tolist() == [9, 9, 9, 9, 5, 2]
    difference = (source - target)[order][:4]
    assert difference.tolist() in ([-5, 0, 2, 7], [7, 2, 0, -5])


@given(st.data())
def test_choice_takes_the_highest_margins_that_fit(data: st.DataObject) -> None:
    lengths = np.sort(np.array(data.draw(lengths_lists)))[::-1]
    margin = np.array(
        data.draw(
            st.lists(
                st.floats(-1, 1, width=16),
                min_size=len(lengths),
                max_size=len(lengths),
                unique=True,
            )
        )
    )
    budget = Budget(data.draw(st.integers(12, 60)), 0)
    quota = data.draw(st.integers(1, budget.count(lengths)))
    kept = choose(margin, lengths, quota, budget)
    if not kept.all():
        assert margin[kept].min() > margin[~kept].max()
        assert budget.count(lengths[kept]) == quota, "one more pair would need one more batch"
        more = margin >= margin[~kept].max()
        assert budget.count(lengths[more]) > quota


def test_dealt_updates_are_of_similar_length_and_the_rest_stays_over() -> None:
    longest = np.arange(20, 9, -1)
    pool = Batches.of([np.array([i]) for i in range(11)], longest)
    dealt, over = deal(pool, 4, last=False, rng=np.random.default_rng(0))
    assert len(dealt) == 8 and len(over) == 3
    assert sorted([*dealt.pairs, *over.pairs]) == list(range(11))
    for update in dealt.longest.reshape(-1, 4):
        assert update.max() - update.min() <= 3 + 3, "neighbours in length, but for those left over"


def check_pass(planner: Planner, index: int, group: int) -> set[int]:
    """Run a pass; check what windows promise; return the pairs trained on."""
    plans = run_pass(planner, index, group)
    now = planner.current
    assert now is not None
    updates = [u for plan in plans for u in range(plan.first_update, plan.end_update)]
    assert updates == list(range(now.updates)), "exactly the promised updates, in order"
    assert all(
        len(plan.update(u)) == group
        for plan in plans
        for u in range(plan.first_update, plan.end_update)
    )
    trained = np.concatenate([plan.batches.pairs for plan in plans])
    assert len(np.unique(trained)) == len(trained), "a kept pair is trained exactly once"
    assert sum(plan.stats.kept for plan in plans) == len(trained)
    considered = np.concatenate([now.pairs_of(w) for w in range(now.windows)])
    assert np.array_equal(np.sort(considered), planner.folder.ids[:]), "considered exactly once"
    assert sum(plan.stats.considered for plan in plans) == len(considered)
    assert len(planner.leftover) == 0 and not planner.live
    for plan in plans:
        for begin, end in itertools.pairwise(plan.batches.offsets):
            pairs = plan.batches.pairs[begin:end]
            assert len(pairs) > 0 and (np.diff(pairs) > 0).all()
            longest = np.maximum(*planner.folder.sizes(pairs)).max()
            assert len(pairs) == 1 or len(pairs) * longest <= planner.budget.max_tokens
    return set(trained.tolist())


@pytest.mark.slow
@settings(max_examples=60)
@given(
    st.integers(8, 400),
    st.integers(1, 4),
    st.integers(12, 80),
    st.sampled_from([1, 8]),
    st.integers(0, 100),
    st.floats(0.05, 1),
    st.integers(0, 1000),
)
def test_a_pass_keeps_its_promises(
    pairs: int, group: int, tokens: int, multiple: int, window: int, base: float, seed: int
) -> None:
    options = alone(base_prob=base, window=window, seed=seed, warmup_passes=1)
    planner = make_planner(pairs, Budget(tokens, 0, multiple), options, seed=seed)
    trained = len(check_pass(planner, 1, group))
    assert planner.current is not None
    # Pairs are left out only where even single-pair batches could not fill the last update.
    assert trained == pairs or planner.current.quotas.sum() + group > pairs
    check_pass(planner, 2, group)
    check_pass(planner, 3, group + 1)


def test_the_first_pass_keeps_everything_even_if_batches_must_be_split() -> None:
    for pairs, group in ((101, 4), (50, 7), (400, 64)):
        planner = make_planner(pairs, Budget(60, 0), alone())
        assert len(check_pass(planner, 1, group)) == pairs


def test_single_pair_batches_leave_out_less_than_one_update() -> None:
    planner = make_planner(10, Budget(0, 1), alone(policy="uniform"))
    trained = [len(check_pass(planner, index, 4)) for index in (1, 2)]
    assert trained == [8, 8]


def test_uniform_keeps_everything_and_shrink_does_not() -> None:
    for policy, least, most in (("uniform", 2000, 2000), ("shrink", 1000, 1700)):
        planner = make_planner(2000, Budget(100, 0), alone(policy=policy))
        check_pass(planner, 1, 2)
        assert least <= len(check_pass(planner, 2, 2)) <= most


def test_pairs_are_kept_as_often_as_the_rule_says() -> None:
    planner = make_planner(3000, Budget(60, 0), alone(warmup_passes=0, base_prob=0.3))
    rng = np.random.default_rng(0)
    # A fixed Assistant: word weights at random, and never a lesson.
    planner.assistant.model.arrays["target"][:] = rng.normal(0, 4, 50)
    planner.assistant.confidence.value = 1.0
    probability = planner.assistant.keep_probability(planner.folder.ids[:])
    kept = np.zeros(3000)
    passes_run = 40
    for index in range(1, passes_run + 1):
        planner.begin_pass(index, 1)
        assert planner.current is not None
        while planner.next_window < planner.current.windows:
            kept[planner.plan_next().batches.pairs] += 1
    for low, high in itertools.pairwise([0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]):
        band = (probability >= low) & (probability < high)
        assert kept[band].sum() / band.sum() / passes_run == pytest.approx(
            probability[band].mean(), abs=0.02
        )


@pytest.mark.slow
def test_the_forecast_of_a_pass_is_what_the_rule_would_keep() -> None:
    planner = make_planner(20_000, Budget(300, 0), alone(warmup_passes=0))
    planner.assistant.model.arrays["target"][:] = np.random.default_rng(0).normal(0, 4, 50)
    now = planner.begin_pass(1, 4)
    keep = planner.assistant.keep_probability(planner.folder.ids[:])
    longest = np.maximum(*planner.folder.sizes(planner.folder.ids[:]))
    windows = [now.pairs_of(w) for w in range(now.windows)]
    whole = passes.exact_quotas(windows, planner.folder.sizes, planner.budget, 4)
    share = (keep * longest).sum() / longest.sum()
    assert now.updates * 4 / whole.sum() == pytest.approx(share, rel=0.02)


def test_the_plan_does_not_depend_on_how_the_group_is_spread() -> None:
    # Ranks and micro-batches enter as their product only: this is the whole of the argument.
    first, second = (make_planner(500, Budget(60, 0), alone()) for _ in range(2))
    for index in (1, 2, 3):
        plans = zip(run_pass(first, index, 4), run_pass(second, index, 4), strict=True)
        assert all(np.array_equal(a.batches.pairs, b.batches.pairs) for a, b in plans)


def test_staleness_is_exactly_one_window() -> None:
    planner = make_planner(3000, Budget(60, 0), alone())
    now = planner.begin_pass(1, 1)
    assert now.windows > 4
    planner.plan_next()
    planner.plan_next()
    assert not planner.may_plan(), "window 2 needs what was learned of window 0"
    from autoassist_fairseq.schedule.messages import Feedback

    plan = planner.live[0]
    for update in range(plan.end_update):
        assert not planner.may_plan()
        planner.learn(Feedback(1, update, boss_losses(np.concatenate(plan.update(update)))))
    assert planner.may_plan()


def test_windows_are_long_enough_for_prefetch() -> None:
    assert passes.window_size(pairs=100_000, updates=1000, wanted=10) == 100_000 // 62 + 1
    assert passes.window_size(pairs=100_000, updates=1000, wanted=20_000) == 20_000
    assert passes.window_size(pairs=1000, updates=10, wanted=0) == 1000
    assert passes.window_size(pairs=4_500_000, updates=3000, wanted=0) <= passes.LARGEST_WINDOW


@pytest.mark.slow  # for what it imports
@pytest.mark.parametrize("workers", [1, 4, 8])
@pytest.mark.parametrize("buffered", [0, 10, 20])
@pytest.mark.parametrize(("pairs", "group"), [(200, 1), (420, 1), (800, 1), (800, 4), (3000, 2)])
def test_nobody_waits_for_losses_that_only_he_can_bring(
    pairs: int, group: int, workers: int, buffered: int
) -> None:
    """However far batches are fetched ahead, from wherever a pass is gone on with."""
    from autoassist_fairseq.plugin.loading import Spread, allowed_prefetch

    now = make_planner(pairs, Budget(60, 0), alone()).begin_pass(1, group)
    spread = Spread(0, 1, lambda _: group, workers, buffered)
    for saved in range(now.updates):
        window = sum(now.learned_before(w) <= saved for w in range(now.windows))  # the next one
        for_each = allowed_prefetch(now, window, spread)
        ahead = -(-np.prod(for_each) // group)
        for update in range(saved, now.updates):  # the losses of the one before come with it
            learned = max(saved, update - 1)
            while window < now.windows and now.learned_before(window) <= learned:
                window += 1
            asked = min(update + ahead, now.updates - 1)
            assert asked < now.updates_through(window - 1), (saved, update, for_each)


def test_fewer_pairs_than_an_update_has_batches_is_a_clear_error() -> None:
    planner = make_planner(3, Budget(60, 0), alone())
    with pytest.raises(UserError, match=r"as one update has batches \(4 .*but 3 are left"):
        planner.begin_pass(1, 4)


def test_packing_a_window_into_more_batches_than_needed_splits() -> None:
    pairs, lengths = np.arange(6), np.full(6, 5)
    batches, rows = pack_window(pairs, lengths, lengths, None, 4, Budget(100, 0))
    assert len(batches) == 4 and sorted(batches.pairs) == list(range(6)) and len(rows) == 6


def test_a_pass_that_skips_nothing_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    planner = make_planner(300, Budget(60, 0), alone(base_prob=1.0))
    for index in (1, 2, 3):
        run_pass(planner, index, 1)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "--autoassist-base-prob" in caplog.text and "pass 2" in caplog.text
