"""Surprises of short and long targets are brought to one standard."""

from __future__ import annotations

import numpy as np
import pytest

from autoassist_fairseq.assistant.wrong.standard import Standard, standard_of

TOKENS = np.random.default_rng(0).integers(2, 80, 20_000)


def surprises_of(level: float, tilt: float, spread: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, spread, len(TOKENS))
    return (level + tilt * np.log(TOKENS) + noise / np.sqrt(TOKENS)).astype(np.float32)


def test_a_standard_by_hand() -> None:
    standard = Standard(level=0.5, tilt=2.0, spread=3.0)
    tokens = np.array([1, 4])
    surprises = np.array([2.0, 0.5 + 2 * np.log(4) - 6.0, np.nan], np.float32)
    assert standard.apply(surprises[:2], tokens) == pytest.approx([0.5, -4.0])
    assert np.isnan(standard.apply(surprises[2:], tokens[:1]))


def test_what_made_the_surprises_is_found_again() -> None:
    found = standard_of(surprises_of(-0.9, 0.3, 2.5), TOKENS, np.ones(len(TOKENS)))
    assert (found.level, found.tilt) == pytest.approx((-0.9, 0.3), abs=0.05)
    assert found.spread == pytest.approx(2.5, rel=0.02)


def test_targets_of_any_length_scatter_alike_then() -> None:
    raw = surprises_of(-0.9, 0.3, 2.5)
    standard = standard_of(raw, TOKENS, np.ones(len(TOKENS))).apply(raw, TOKENS)
    kurtosis = [((x - x.mean()) ** 4).mean() / x.var() ** 2 - 3 for x in (raw, standard)]
    assert kurtosis[0] > 1 and abs(kurtosis[1]) < 0.1
    for some in (TOKENS < 10, TOKENS > 40):
        assert standard[some].std() == pytest.approx(1, rel=0.05)
        assert standard[some].mean() == pytest.approx(0, abs=0.05)


def test_a_weight_counts_as_so_many_pairs() -> None:
    raw, weights = surprises_of(0.0, 0.1, 1.0)[:300], np.arange(300) % 4 + 1.0
    rows = np.repeat(np.arange(300), weights.astype(int))
    repeated = standard_of(raw[rows], TOKENS[rows], np.ones(len(rows)))
    found = standard_of(raw, TOKENS[:300], weights)
    assert (found.level, found.tilt, found.spread) == pytest.approx(
        (repeated.level, repeated.tilt, repeated.spread), rel=1e-5
    )


@pytest.mark.parametrize("lengths", [[], [7], [7, 7, 7]])
def test_targets_of_one_length_have_no_tilt(lengths: list[int]) -> None:
    tokens = np.array(lengths, np.int64)
    raw = np.array([1.0, 2.0, 3.0], np.float32)[: len(tokens)]
    found = standard_of(raw, tokens, np.ones(len(tokens)))
    assert found.tilt == 0 and np.isfinite(found.apply(raw, tokens)).all()
    if len(raw):
        assert found.level == pytest.approx(raw.mean()) and found.spread > 0


def test_a_state_without_it_is_no_standard() -> None:
    assert Standard.saved({"threshold": 1.0}) == Standard()
    assert Standard.saved({"threshold": 1.0, "level": 1, "tilt": 2, "spread": 3}).tilt == 2
