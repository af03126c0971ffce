"""Two kinds of values are parted as scikit-learn does it; one kind is left in one piece."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoassist_fairseq.assistant.wrong.mixture import BINS, Mixture, fit


def drawn(share: float, gap: float, pairs: int = 20_000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    upper = rng.random(pairs) < share
    return np.where(upper, rng.normal(gap, 0.3, pairs), rng.normal(0, 0.5, pairs))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("gap", [1.3, 2.0])
def test_two_kinds_are_found_as_scikit_learn_finds_them(share: float, gap: float) -> None:
    values = drawn(share, gap)
    mixture = fit(values)
    assert mixture is not None and mixture.parts()
    from sklearn.mixture import GaussianMixture  # slow to load

    start = np.array([[0.0], [gap]])
    reference = GaussianMixture(2, means_init=start, tol=1e-6, max_iter=500).fit(values[:, None])
    order = np.argsort(reference.means_[:, 0])
    assert mixture.shares == pytest.approx(reference.weights_[order], abs=0.02)
    assert mixture.means == pytest.approx(reference.means_[order, 0], abs=0.03)
    deviations = np.sqrt(reference.covariances_[order, 0, 0])
    assert mixture.deviations == pytest.approx(deviations, abs=0.03)
    between = np.linspace(*mixture.means, 50)
    chances = reference.predict_proba(between[:, None])[:, order[1]]
    assert mixture.upper(between) == pytest.approx(chances, abs=0.1)


ONE_KIND = {
    "normal": lambda rng: rng.normal(0, 1, 20_000),
    "right tail": lambda rng: rng.gamma(3, 1, 20_000),
    "long right tail": lambda rng: rng.lognormal(0, 0.5, 20_000),
    "left tail": lambda rng: -rng.gamma(3, 1, 20_000),
    "logistic": lambda rng: rng.logistic(0, 1, 20_000),
    "half normal": lambda rng: np.abs(rng.normal(0, 1, 20_000)),
    "extreme values": lambda rng: rng.gumbel(0, 1, 20_000),
    "Student's t": lambda rng: rng.standard_t(5, 20_000),
    "a few": lambda rng: rng.normal(0, 1, 500),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ONE_KIND)
def test_one_kind_is_not_parted(kind: str) -> None:
    for seed in range(10):
        mixture = fit(ONE_KIND[kind](np.random.default_rng(seed)))
        assert mixture is not None and not mixture.parts()


def test_two_kinds_as_wide_as_each_other_may_be_nearer() -> None:
    rng = np.random.default_rng(0)
    near = fit(np.concatenate([rng.normal(0, 1, 10_000), rng.normal(1.7, 1, 10_000)]))
    assert near is not None and 1.5 < near.distance < 2 and near.parts()
    assert not replace(near, deviations=(near.deviations[0], 1.5 * near.deviations[1])).parts()


@pytest.mark.slow
def test_the_gain_is_what_the_criterion_says() -> None:
    from scipy.stats import norm

    values = drawn(0.3, 2.0)
    mixture = fit(values)
    assert mixture is not None
    low, high = np.quantile(values, [0.001, 0.999])
    inside = np.clip(values, low, high)
    parts = zip(mixture.shares, mixture.means, mixture.deviations, strict=True)
    two = sum(share * norm.pdf(inside, mean, deviation) for share, mean, deviation in parts)
    one = norm.logpdf(inside, inside.mean(), inside.std())
    better = 2 * (np.log(two) - one).sum() - 3 * np.log(len(values))  # BIC of one less that of two
    assert mixture.gain == pytest.approx(better / 2 / len(values), abs=0.002)


def test_too_few_values_or_all_alike_say_nothing() -> None:
    assert fit(np.random.default_rng(0).random(BINS - 1)) is None
    assert fit(np.ones(5_000)) is None


@pytest.mark.parametrize("share", [0.01, 0.9])
def test_an_upper_part_that_is_rare_or_usual_is_no_kind(share: float) -> None:
    mixture = fit(drawn(share, 3.0))
    assert mixture is not None and mixture.distance > 2 and mixture.gain > 0
    assert not mixture.parts() and not mixture.parts(before=True)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.05, 0.6), st.floats(0.1, 5), st.floats(0.1, 2), st.floats(0.1, 2))
def test_the_chance_to_be_of_the_upper_kind_is_one_in_0_1_and_high_above(
    share: float, gap: float, low: float, high: float
) -> None:
    mixture = Mixture((1 - share, share), (0.0, gap), (low, high))
    chances = mixture.upper(np.linspace(-9, 9, 400))
    assert (chances >= 0).all() and (chances <= 1).all()
    assert chances[-1] == mixture.upper(np.array([gap]))[0] and chances[0] == chances[1]


def test_between_two_spikes_the_chance_is_that_of_the_nearer_one() -> None:
    spikes = Mixture((0.5, 0.5), (0.0, 1000.0), (0.01, 0.01))
    chances = spikes.upper(np.array([-5, 0, 499, 500, 501, 2000]))
    assert chances == pytest.approx([0, 0, 0, 0.5, 1, 1])
    found = fit(np.repeat([1.0, 3.0], 500))
    assert found is not None and np.isfinite(found.gain)
    assert found.upper(np.array([1.0, 1.9, 2.1, 3.0])).tolist() == pytest.approx([0, 0, 1, 1])


def test_a_value_counts_as_often_as_its_weight_says() -> None:
    values, upper = drawn(0.3, 2.0), drawn(0.3, 2.0) > 1
    kept = ~upper | (np.random.default_rng(1).random(len(values)) < 0.1)
    whole = fit(values)
    some = fit(values[kept], np.where(upper, 10.0, 1.0)[kept])
    assert whole is not None and some is not None
    assert some.shares == pytest.approx(whole.shares, abs=0.03)
    assert some.means == pytest.approx(whole.means, abs=0.05)


def test_a_few_values_of_much_weight_say_no_more_than_a_few() -> None:
    values = np.random.default_rng(0).normal(0, 1, 300)
    few, many = fit(values, np.full(300, 100.0)), fit(np.repeat(values, 100))
    assert few is not None and many is not None and few.gain < many.gain - 0.02
