"""The surprise of every pair: its loss beyond what was to be expected of its target, then."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.token_store import Ints
from autoassist_fairseq.assistant.exact import Doubles
from autoassist_fairseq.assistant.policies.rules import Floats
from autoassist_fairseq.assistant.trivial.threshold import LARGEST_LOSS
from autoassist_fairseq.errors import ANEW, StateError

# A byte for each pair holds the pass of its measurement, and in its two highest bits its class.
PASSES = 64
# Classes: neither; likely hopeless, by the Boss's surprise; surely hopeless.
OTHER, LIKELY, SURE = range(3)
# Fewer pairs that were measured in both of two passes say nothing about drift.
LEAST = 100
# Pairs that stand for all where a sample does, and that are looked at in one go.
SAMPLE = 1_000_000
# No measurement counts for more than 1 / this many.
LEAST_CHANCE = 1e-3
ARRAYS = ("surprises", "losses", "passes", "chances")


class Surprise:
    """Remembered surprise: 5 bytes per pair, and 2 for each of the `sample`.

    Args:
        pairs: pairs in the corpus.

    Attributes:
        surprises: [pairs] float16, nats per target token; NaN = never measured.
        losses: [pairs] float16, nats per target token; NaN = never measured.
        passes: [pairs] uint8, the pass (modulo `PASSES`) of the measurement, and the class.
        chances: float16, of each pair of the `sample` to be kept in this pass, in [0, 1].
        drift: how surprises have moved since earlier passes.
    """

    def __init__(self, pairs: int) -> None:
        self.surprises = np.full(pairs, np.nan, np.float16)
        self.losses = np.full(pairs, np.nan, np.float16)
        self.passes = np.zeros(pairs, np.uint8)
        self.step = max(1, -(-pairs // SAMPLE))
        self.chances = np.ones(-(-pairs // self.step), np.float16)
        self.drift = Drift()

    @property
    def sample(self) -> NDArray[np.int64]:
        """Pairs that are spread evenly, up to `SAMPLE`."""
        return np.arange(0, len(self.passes), self.step)

    def begin(self, index: int) -> None:
        """Close the pass before ``index``: what is `PASSES` passes old stays the oldest."""
        self.drift.end_pass()
        for begin in range(0, len(self.passes), SAMPLE):
            some = self.passes[begin : begin + SAMPLE]
            oldest = some % PASSES == index % PASSES
            some[oldest] = some[oldest] // PASSES * PASSES + (index + 1) % PASSES

    def note(self, pairs: Ints, chances: Floats) -> None:
        """Remember the ``chances`` [P] of ``pairs`` [P] to be kept in this pass."""
        mine = pairs % self.step == 0
        self.chances[pairs[mine] // self.step] = chances[mine]

    def weights(self, pairs: Ints) -> Doubles:
        """Return how many pairs each of ``pairs`` [P] of the `sample`, being kept, stands for."""
        chances = self.chances[pairs // self.step].astype(np.float64)
        weights: Doubles = 1 / np.maximum(chances, LEAST_CHANCE)
        return weights

    def learn(self, pairs: Ints, losses: Floats, expected: Floats, index: int) -> None:
        """Remember known ``losses`` [P] of pass ``index``, where ``expected`` [P] was expected.

        Those of which nothing was to be expected yet (NaN) change nothing.
        """
        known = np.isfinite(expected)
        pairs, losses = pairs[known], losses[known]
        surprises = np.clip(losses - expected[known], -LARGEST_LOSS, LARGEST_LOSS)
        lately = (self.ages(pairs, index) == 1) & np.isfinite(self.surprises[pairs])
        before = self.surprises[pairs[lately]].astype(np.float64)
        self.drift.add(before, surprises[lately].astype(np.float64))
        self.surprises[pairs], self.losses[pairs] = surprises, losses
        self.passes[pairs] = self.passes[pairs] // PASSES * PASSES + index % PASSES

    def ages(self, pairs: Ints, index: int) -> NDArray[np.int64]:
        """Return how many passes before ``index`` each of ``pairs`` [P] was measured."""
        return (index - (self.passes[pairs] % PASSES).astype(np.int64)) % PASSES

    def now(self, pairs: Ints, index: int) -> Floats:
        """Return the surprises [P] of ``pairs`` [P] as if all were measured in pass ``index`` - 1.

        NaN where nothing is known.
        """
        ages = (self.ages(pairs, index) - 1) % PASSES
        return self.drift.forward(self.surprises[pairs].astype(np.float32), ages)

    def classes(self, pairs: Ints) -> NDArray[np.uint8]:
        """Return the class [P] of ``pairs`` [P]: `OTHER`, `LIKELY` or `SURE`."""
        classes: NDArray[np.uint8] = self.passes[pairs] // np.uint8(PASSES)
        return classes

    def set_classes(self, pairs: Ints, classes: NDArray[Any]) -> None:
        """Class ``pairs`` [P]."""
        self.passes[pairs] = self.passes[pairs] % PASSES + classes.astype(np.uint8) * PASSES

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain types and arrays."""
        arrays = {name: getattr(self, name).copy() for name in ARRAYS}
        return {**arrays, "drift": self.drift.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        for name in ARRAYS if "chances" in state else ARRAYS[:-1]:
            mine, saved = getattr(self, name), np.asarray(state[name])
            if saved.shape != mine.shape:
                raise StateError(
                    f"`--restore-file` must remember the {name} of {len(mine):,} pairs, one for "
                    f"each of `DATA`, but remembers {len(saved):,}; begin on this data with "
                    f"{ANEW}."
                )
            mine[...] = saved
        self.drift.load_state_dict(state["drift"])


class Drift:
    """How surprises move from one pass to the next: a line.

    A surprise that was measured long ago is that of a younger Boss, which told pairs less apart.
    What moved the pairs that were measured in both of two passes moves the others too: location and
    scale, so that neither the choice of those pairs nor the noise of measuring tilts the line.

    Attributes:
        lines: (shift, slope) from each pass to the next, the last one last.
    """

    def __init__(self) -> None:
        self._sums = np.zeros(5)
        self.lines: list[tuple[float, float]] = []

    def add(self, before: NDArray[np.float64], after: NDArray[np.float64]) -> None:
        """Add two measurements [P] of the same pairs, a pass apart."""
        products = (before**2).sum(), (after**2).sum()
        self._sums += (len(before), before.sum(), after.sum(), *products)

    def end_pass(self) -> None:
        """Close the pass whose measurements were added: one line more."""
        count, before, after, before2, after2 = self._sums
        line = (0.0, 1.0)
        if count >= LEAST:
            first, second = before / count, after / count
            spreads = before2 / count - first**2, after2 / count - second**2
            slope = float(np.sqrt(max(spreads[1], 1e-9) / max(spreads[0], 1e-9)))
            line = (float(second - slope * first), slope)
        self.lines = [*self.lines, line][-PASSES:]
        self._sums[:] = 0

    def forward(self, values: Floats, ages: NDArray[np.int64]) -> Floats:
        """Return ``values`` [P], measured ``ages`` [P] passes before the last, as of the last."""
        shifts, slopes = [0.0], [1.0]
        for shift, slope in reversed(self.lines):
            shifts.append(shifts[-1] + slopes[-1] * shift)
            slopes.append(slopes[-1] * slope)
        known = np.minimum(ages, len(self.lines))
        moved = np.array(shifts)[known] + np.array(slopes)[known] * values
        return moved.astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain types and arrays."""
        return {"sums": self._sums.copy(), "lines": np.array(self.lines).reshape(-1, 2)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self._sums[...] = np.asarray(state["sums"])
        self.lines = [(float(a), float(b)) for a, b in np.asarray(state["lines"])]
