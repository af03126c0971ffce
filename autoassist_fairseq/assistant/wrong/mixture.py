"""Two normal distributions in one: where hopeless pairs part from the others, without labels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant import exact

BINS, ROUNDS = 256, 200
STARTS = (0.1, 0.03)
# The tails that are left out of the range, on either side.
TAIL = 0.001
# Ashman's D: two normal distributions are told apart above 2 (Ashman, Bird and Zepf 1994). They may
# be nearer if one is not much wider than the other: a skewed kind parts into a narrow and a wide
# one. Two kinds that were told apart once count as two in any case, down to the last figure.
LEAST_DISTANCE, LEAST_ALIKE, STILL_APART = 2.0, 1.5, 1.25
# How much wider: still alike, and so much that it is a tail, or a few values that are alike.
ALIKE, WIDEST = 1.4, 4.0
# Nats per value that two must explain beyond one, and the parameters that they take more.
LEAST_GAIN, PARAMETERS = 1e-3, 3
# Share of the upper part: fewer are a bump in a tail, and not worth it; a corpus is not mostly
# hopeless.
FEWEST, MOST = 0.02, 0.7


@dataclass(frozen=True)
class Mixture:
    """Two normal distributions, the lower one first.

    Attributes:
        shares: of all values; add up to 1.
        means, deviations: of both.
        gain: log-likelihood beyond that of one normal distribution, in nats per value, less what it
            should be by the Bayesian information criterion (Schwarz 1978).
    """

    shares: tuple[float, float]
    means: tuple[float, float]
    deviations: tuple[float, float]
    gain: float = math.inf

    @property
    def distance(self) -> float:
        """Ashman's D: the distance of the means, in root mean square deviations."""
        square = (self.deviations[0] ** 2 + self.deviations[1] ** 2) / 2
        return (self.means[1] - self.means[0]) / math.sqrt(square)

    def parts(self, before: bool = False) -> bool:
        """Return whether there are two kinds of values, the upper one neither rare nor usual.

        Args:
            before: whether there were two kinds before.
        """
        wider = max(self.deviations) / min(self.deviations)
        least = LEAST_ALIKE if wider <= ALIKE else LEAST_DISTANCE
        apart = self.distance >= (STILL_APART if before else least) and wider <= WIDEST
        return apart and self.gain > 0 and FEWEST <= self.shares[1] <= MOST

    def upper(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the chance [P] that each of ``values`` [P] is of the upper distribution.

        Never falling: a value beyond one of chance 1 is of the upper one too, whatever the tails.
        """
        low, high = _log_densities(self, np.clip(values, *self.means))
        return _chance(low, high)


def fit(values: NDArray[Any], weights: NDArray[Any] | None = None) -> Mixture | None:
    """Fit two normal distributions to ``values`` [P] by expectation maximisation.

    Args:
        values: any that are finite.
        weights: [P] how much each counts; None = all alike.

    The values are put into `BINS` bins first, so that millions of them cost no more than thousands;
    it starts from Otsu's threshold and, since a few per cent would get lost there, from the upper
    `STARTS`, and the likeliest outcome counts. None for fewer than `BINS` values, or all alike.
    """
    if len(values) < BINS:
        return None
    low, high = _range(values, weights)
    if not low < high:
        return None
    inside = np.clip(values, low, high)
    size = len(values) if weights is None else float(weights.sum() ** 2 / (weights**2).sum())
    counts, edges = np.histogram(inside, BINS, (low, high), weights=weights)
    weights, middles = counts / counts.sum(), (edges[1:] + edges[:-1]) / 2
    starts = [int(np.searchsorted(np.cumsum(weights), 1 - share)) for share in STARTS]
    found = [_climb(weights, middles, start) for start in (_otsu(weights, middles), *starts)]
    likelihood, mixture = max(found, key=lambda one: one[0])
    one = -math.log(_moments(weights, middles)[2]) - 0.5
    price = max(LEAST_GAIN, PARAMETERS / 2 * math.log(size) / size)
    return replace(mixture, gain=likelihood - one - price)


def _range(values: NDArray[Any], weights: NDArray[Any] | None) -> Any:
    """Return what a share of `TAIL` of ``values`` [P] is below, and what as many are above."""
    if weights is None:
        return np.quantile(values, [TAIL, 1 - TAIL])
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(weights[order], dtype=np.float64)
    places = np.searchsorted(mass, [TAIL * mass[-1], (1 - TAIL) * mass[-1]])
    return values[order[places]]


def _climb(weights: NDArray[Any], middles: NDArray[Any], start: int) -> tuple[float, Mixture]:
    """Return the log-likelihood (but for a constant) and the mixture that ``start`` leads to."""
    upper = (np.arange(BINS) > start).astype(np.float64)
    for _ in range(ROUNDS):
        mixture = _mixture(weights, middles, upper, least=float(middles[1] - middles[0]))
        first, second = _log_densities(mixture, middles)
        upper = _chance(first, second)
    larger = np.maximum(first, second)
    beyond = exact.log(1 + exact.exp(np.minimum(first, second) - larger))
    return exact.dot(weights, larger + beyond), mixture


def _otsu(weights: NDArray[Any], middles: NDArray[Any]) -> int:
    """Return the last bin of the lower class that parts the values best (Otsu 1979)."""
    share, sums = np.cumsum(weights), np.cumsum(weights * middles)
    between = (sums[-1] * share - sums) ** 2 / np.maximum(share * (1 - share), 1e-12)
    return int(between[:-1].argmax())


def _mixture(
    weights: NDArray[Any], middles: NDArray[Any], upper: NDArray[Any], least: float
) -> Mixture:
    parts = [_moments(weights * (1 - upper), middles), _moments(weights * upper, middles)]
    shares, means, deviations = zip(*parts, strict=True)
    a, b = (max(deviation, least) for deviation in deviations)
    return Mixture((shares[0], shares[1]), (means[0], means[1]), (a, b))


def _moments(weights: NDArray[Any], middles: NDArray[Any]) -> tuple[float, float, float]:
    share = max(float(weights.sum()), 1e-12)
    mean = exact.dot(weights, middles) / share
    return share, mean, math.sqrt(exact.dot(weights, (middles - mean) ** 2) / share)


def _log_densities(mixture: Mixture, values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    first, second = (
        math.log(share / deviation) - ((values - mean) / deviation) ** 2 / 2
        for share, mean, deviation in zip(
            mixture.shares, mixture.means, mixture.deviations, strict=True
        )
    )
    return first, second


def _chance(low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.float64]:
    """Return high / (low + high) for logarithms; also where both densities are 0 to any digit."""
    chance: NDArray[np.float64] = 1 / (1 + exact.exp(np.minimum(low - high, 700)))
    return chance
