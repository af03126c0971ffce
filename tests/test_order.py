"""The order of a pass and the ids in it: exact, and as random as one that NumPy shuffles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoassist_fairseq.assistant.corpus.pair_ids import PairIds
from autoassist_fairseq.schedule.order import Order


@given(st.integers(0, 300), st.data())
def test_ids_are_all_but_those_left_out(pairs: int, data: st.DataObject) -> None:
    left_out = sorted(data.draw(st.sets(st.integers(0, pairs - 1)) if pairs else st.just(set())))
    ids, stay = PairIds(pairs, left_out), np.setdiff1d(np.arange(pairs), left_out)
    assert len(ids) == len(stay) and np.array_equal(ids[:], stay)
    assert np.array_equal(ids[3:90:7], stay[3:90:7]) and ids[:].dtype == np.int32
    assert np.array_equal(np.concatenate([*ids.blocks(), ids[:0]]), stay)
    assert np.array_equal(ids.of(np.arange(pairs) * 2), stay * 2)


@given(st.integers(1, 5000), st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_every_pair_has_one_place(pairs: int, seed: int, index: int) -> None:
    order = Order(PairIds(pairs), seed, index)
    assert np.array_equal(np.sort(order[:]), np.arange(pairs))
    assert np.array_equal(order[pairs // 3 : pairs // 2], order[:][pairs // 3 : pairs // 2])


def test_small_and_odd_numbers_of_pairs() -> None:
    for pairs in [*range(1, 300), 2**16 - 1, 2**16, 2**16 + 1, 256**2 + 257]:
        assert np.array_equal(np.sort(Order(PairIds(pairs), 1, 1)[:]), np.arange(pairs))


def test_what_is_left_out_has_no_place() -> None:
    order = Order(PairIds(1000, [0, 3, 500, 999]), 1, 1)
    assert np.array_equal(np.sort(order[:]), np.setdiff1d(np.arange(1000), [0, 3, 500, 999]))


def test_passes_and_seeds_have_orders_of_their_own() -> None:
    orders = [Order(PairIds(20_000), *key)[:] for key in ((1, 1), (1, 2), (2, 1), (2, 2), (0, 1))]
    for place, one in enumerate(orders):
        for other in orders[:place]:
            # As of two random orders: about one pair in the same place, and no correlation.
            assert (one == other).sum() < 9
            assert abs(np.corrcoef(one, other)[0, 1]) < 4.5 / np.sqrt(20_000)


def chi_square(counts: np.ndarray) -> float:
    """Return how far the chi-square of a square table is from its mean, in standard deviations.

    ``counts`` [N, N] of permutations, whose rows and columns have equal sums.
    """
    freedom, expected = (len(counts) - 1) ** 2, counts.mean()
    square = ((counts - expected) ** 2 / expected).sum()
    return float((square - freedom) / np.sqrt(2 * freedom))


@pytest.mark.parametrize("pairs", [2, 3, 4, 5, 7, 16, 30, 61])
def test_every_pair_comes_to_every_place_equally_often(pairs: int) -> None:
    ours, numpys = np.zeros((pairs, pairs)), np.zeros((pairs, pairs))
    rng = np.random.default_rng(0)
    for index in range(1, 2001):
        ours[np.arange(pairs), Order(PairIds(pairs), 7, index)[:]] += 1
        numpys[np.arange(pairs), rng.permutation(pairs)] += 1
    # Of each row a permutation fills exactly one cell: so much less is left to chance.
    mean = np.full_like(ours, ours.mean())
    less = np.sqrt(1 - 1 / pairs)
    assert abs(chi_square(mean + less * (ours - mean))) < 4.5
    assert abs(chi_square(mean + less * (numpys - mean))) < 4.5


def test_neighbours_are_scattered_as_numpy_scatters_them() -> None:
    """Where the pairs of one window come from, and how far apart neighbours come to lie."""
    pairs, parts = 90_000, 30
    orders = Order(PairIds(pairs), 3, 1)[:], np.random.default_rng(1).permutation(pairs)
    for order in orders:
        window = np.arange(pairs) * parts // pairs
        table = np.zeros((parts, parts))
        np.add.at(table, (window, order * parts // pairs), 1)
        assert abs(chi_square(table)) < 4.5
        steps = np.diff(order.astype(np.int64))
        expected = np.array([1 - (1 - b / 10) ** 2 for b in range(11)])  # a triangle's
        counts = np.histogram(np.abs(steps) / pairs, np.linspace(0, 1, 11))[0]
        wanted = np.diff(expected) * len(steps)
        assert ((counts - wanted) ** 2 / wanted).sum() < 35, "9 degrees of freedom"
        assert (steps == 1).sum() < 9, "neighbours stay neighbours about once"
