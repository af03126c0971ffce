"""The rules of the policies: worked-out values, and the expectations that weights must keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.assistant.policies import rules
from autoassist_fairseq.assistant.policies.loss_table import LossTable
from autoassist_fairseq.errors import StateError

NAN = float("nan")


def floats(*values: float) -> rules.Floats:
    return np.array(values, np.float32)


def test_a_rate_for_each_pass_and_the_last_one_for_the_rest() -> None:
    assert [rules.rate_of_pass((0.0, 0.3, 0.4), index) for index in (1, 2, 3, 9)] == [
        0,
        0.3,
        0.4,
        0.4,
    ]
    assert rules.rate_of_pass((0.5,), 1) == 0.5


def test_the_self_paced_limit_reaches_all_pairs_at_its_pace() -> None:
    losses = floats(*range(1, 9))  # 8 pairs: a quarter, then half, then three quarters, then all
    limits = [rules.self_paced_limit(losses, way) for way in (0, 1 / 3, 2 / 3, 1, 4 / 3, NAN)]
    assert limits == [2, 4, 6, np.inf, np.inf, np.inf]
    # Pairs of unknown loss count as too hard, until there is no known one left.
    assert rules.self_paced_limit(floats(1, 2, *[NAN] * 6), 0) == 2
    # Losses that are all alike say nothing: all pairs, not none.
    assert rules.self_paced_limit(floats(*[3] * 8), 0) == np.inf
    assert rules.self_paced_limit(floats(1, NAN, NAN, NAN), 2 / 3) == np.inf


def test_self_paced_weights() -> None:
    weights = rules.self_paced_weight(floats(0, 1, 1.75, 2, 3, NAN), 2.0)
    assert weights == pytest.approx([1, 0.5 ** (1 / 3), 0.5, 0, 0, 0])
    assert rules.self_paced_weight(floats(0, NAN, 9), np.inf).tolist() == [1, 1, 1]


def test_the_loss_table_drops_only_what_is_known_to_be_easy() -> None:
    keep = rules.loss_table_keep(floats(0.5, 1, 2, NAN), 1.0, 0.25)
    assert keep.tolist() == [0.75, 1, 1, 1]


def test_competence_grows_with_the_root_of_training() -> None:
    assert rules.competence(0, 5) == pytest.approx(0.01)
    assert rules.competence(1.25, 5) == pytest.approx(np.sqrt(0.25 * (1 - 1e-4) + 1e-4))
    assert rules.competence(5, 5) == rules.competence(80, 5) == 1


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_the_easiest_are_those_that_sorting_puts_first(values: list[int]) -> None:
    hardness = np.array([*values, np.inf], np.float32)
    for count in range(1, len(values) + 1):
        limit, last = rules.easiest(hardness, count)
        first = np.sort(np.argsort(hardness, kind="stable")[:count])
        tied = (hardness == limit) & (np.arange(len(hardness)) <= last)
        assert np.array_equal(np.flatnonzero((hardness < limit) | tied), first)


@pytest.mark.slow
def test_importance_draws_in_proportion_and_weights_back() -> None:
    utility, values = np.array([1.0, 2, 5, 0.5]), np.array([3.0, -1, 4, 10])
    rng = np.random.default_rng(0)
    rows, weights = rules.importance_draw(utility, 200_000, rng)
    assert np.bincount(rows) / len(rows) == pytest.approx(utility / utility.sum(), abs=0.005)
    assert weights == pytest.approx(utility.sum() / (4 * utility[rows]))
    error = 4 * (weights * values[rows]).std() / np.sqrt(len(rows))
    assert (weights * values[rows]).mean() == pytest.approx(values.mean(), abs=error)


@pytest.mark.parametrize("utility", [[0.0, 0, 0], [NAN, np.inf, NAN]])
def test_importance_without_a_usable_score_is_uniform(utility: list[float]) -> None:
    _, weights = rules.importance_draw(np.array(utility), 50, np.random.default_rng(0))
    assert weights == pytest.approx(np.ones(50))


def test_importance_takes_an_infinite_score_for_the_largest() -> None:
    rows, _ = rules.importance_draw(np.array([1, np.inf, 3.0]), 70_000, np.random.default_rng(0))
    assert np.bincount(rows) / 70_000 == pytest.approx([1 / 7, 3 / 7, 3 / 7], abs=0.01)


def test_the_table_remembers_what_came_and_nothing_else() -> None:
    table = LossTable(5)
    assert np.isnan(table.mean(PairIds(5)))
    table.learn(np.array([4, 1, 2, 0]), floats(3, 1, -1, np.inf))
    assert table.losses.tolist() == pytest.approx([NAN, 1, NAN, NAN, 3], nan_ok=True)
    assert table.mean(PairIds(5, [0, 3])) == 2
    again = LossTable(5)
    again.load_state_dict(table.state_dict())
    assert again.losses.tobytes() == table.losses.tobytes()
    with pytest.raises(StateError, match="4 losses.*remembers 5.*--reset-dataloader"):
        LossTable(4).load_state_dict(table.state_dict())


def test_what_is_open_follows_the_end_that_comes_first() -> None:
    assert rules.open_share(0.75, NAN) == rules.competence(0.75, 3)
    assert rules.open_share(0.75, 0.1) == rules.competence(0.75, 3)
    assert rules.open_share(0.75, 0.4) == rules.competence(0.4, 0.8)
    assert rules.open_share(3, 0.1) == rules.open_share(0, 0.8) == 1
    end = rules.End(passes=10**12)
    assert rules.last_competence(100, end, end) == 1  # and is told at once


def test_a_curriculum_that_goes_by_a_later_end_than_training_s_has_not_opened() -> None:
    short, long = rules.End(100), rules.End(1000)
    by_later, by_own = (rules.last_competence(1000, short, told) for told in (long, short))
    assert by_later < 0.2 < by_own
    assert rules.End(10, 4).share(5, 1) == 0.5 and rules.End().share(5, 1) == 0


@pytest.mark.parametrize(
    ("passes", "whole"), [(3, []), (4, [4]), (5, [5]), (8, [8]), (10, [10]), (16, [15, 16])]
)
def test_the_last_eighth_begins_with_the_nearest_pass(passes: int, whole: list[int]) -> None:
    found = [i for i in range(1, passes + 1) if rules.in_last_share((i - 1) / passes, i)]
    assert found == whole


@given(pace=st.floats(0.1, 30))
def test_a_curriculum_is_open_after_so_many_passes_and_no_fewer(pace: float) -> None:
    passes = rules.passes_until_open(pace)
    trained = [0.0]
    for _ in range(passes):
        trained.append(trained[-1] + rules.competence(trained[-1], pace))
    assert trained[-1] >= pace > trained[-2]
