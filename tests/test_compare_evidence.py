"""autoassist compare: seeds that a claim needs; what an arm spends to be as good as the first."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from autoassist_fairseq.tools.compare.averaged import points
from autoassist_fairseq.tools.compare.budget import Budget
from autoassist_fairseq.tools.compare.evidence import Reached, evidence, reach
from autoassist_fairseq.tools.compare.jobs import Result, Validation
from autoassist_fairseq.tools.compare.power import MOST, as_number, power, seeds_needed


def run(*validations: tuple[int, float, float, float]) -> Result:
    """A run with these (update, tokens, seconds, loss), the last of which is its loss."""
    found = [Validation(*one) for one in validations]
    loss = found[-1].loss if found else None
    return Result(1, 1.0, 1.0, loss, 30.0, "", None, 0, 1, validations=found)


@pytest.mark.parametrize(("difference", "seeds"), [(2.0, 3), (1.0, 6), (0.5, 14)])
def test_seeds_that_a_claim_needs(difference: float, seeds: int) -> None:
    found = [difference - 0.6, difference, difference + 0.6]  # their standard deviation is 0.6
    assert seeds_needed(found) == seeds
    assert seeds_needed([-one for one in found]) == seeds
    assert power(difference / 0.6, seeds) >= 0.8 > power(difference / 0.6, seeds - 1)


@pytest.mark.parametrize(("effect", "seeds"), [(1.0, 5), (0.5, 20), (2.0, 3)])
def test_the_power_is_what_simulated_runs_find(effect: float, seeds: int) -> None:
    runs = np.random.default_rng(1).normal(effect, 1.0, (20_000, seeds))
    share = float((ttest_1samp(runs, 0.0, axis=1).pvalue < 0.05).mean())
    assert power(effect, seeds) == pytest.approx(share, abs=0.015)


def test_no_number_of_seeds_where_nothing_is_known_or_nothing_is_there() -> None:
    assert seeds_needed([1.0]) is None and seeds_needed([]) is None
    assert seeds_needed([1.0, 1.0, 1.0]) is None  # no spread at all
    assert seeds_needed([-1.0, 0.0, 1.0]) == MOST + 1
    assert seeds_needed([100.0, 100.1]) == 2
    assert [as_number(one) for one in (None, 7, MOST + 1)] == ["", "7", ">1000"]


def test_what_it_takes_to_be_as_good_as_the_first_by_hand() -> None:
    first = run((10, 1000, 10, 5.0), (20, 2000, 20, 4.0))
    # 4.0 lies halfway between 4.5 at 1200 and 3.5 at 1600 tokens
    quick = run((10, 800, 9, 5.5), (15, 1200, 12, 4.5), (20, 1600, 16, 3.5), (25, 2000, 20, 3.0))
    assert reach(first, quick) == Reached(1400 / 2000, 14 / 20)
    assert reach(first, first) == Reached(1.0, 1.0)
    assert reach(first, run((10, 1000, 10, 3.9))) == Reached(0.5, 0.5)  # at its first look
    assert reach(first, run((10, 1000, 10, 4.1))) is None
    assert reach(first, run()) is None and reach(run(), first) is None


def test_losses_are_paired_by_seed() -> None:
    first = {seed: run((20, 2000, 20, 4.0 + seed)) for seed in (1, 2, 3)}
    other = {2: run((20, 2000, 20, 5.9)), 3: run((20, 2000, 20, 7.1)), 4: run((20, 1, 1, 0.0))}
    found = evidence(first, other)
    assert found.difference == pytest.approx((-0.1 + 0.1) / 2, abs=1e-12)
    assert (found.seeds, list(found.reached), found.needed) == (2, [2], MOST + 1)
    assert found.over_seeds == pytest.approx(1.0)
    assert found.mean("tokens") == 1.0
    assert evidence(first, {}).difference is None


def test_checkpoints_to_average_lie_evenly_in_the_last_tenth() -> None:
    assert points(Budget("tokens", 1000), 1) == [Budget("tokens", 1000)]
    halts = [one.amount for one in points(Budget("seconds", 1000), 4)]
    assert halts == pytest.approx([925, 950, 975, 1000])
    assert points(Budget("passes", 9), 4) == [Budget("passes", 9)]
