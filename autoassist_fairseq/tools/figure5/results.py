"""What the runs found, put together over seeds: the curves of Figure 5, and a row for each arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.tools.report.table import UNKNOWN, number

Doubles = NDArray[np.float64]
Found = Mapping[str, Any]

HEADER = (
    "set",
    "policy",
    "accuracy",
    "images",
    "seconds",
    "CPU seconds",
    "skipped",
    "images to SGD's",
    "seconds to",
    "CPU to",
    "Assistant",
    "majority",
)
# SGD with the same planner, which the others are compared with.
SGD = "uniform"
# A run's accuracy is the mean of its last tests: one of them alone jumps up and down.
LAST = 4


@dataclass(frozen=True)
class Arm:
    """The runs of one policy on one set; T tests, S seeds.

    Attributes:
        set, policy: whose.
        accuracy: [S, T] in [0, 1].
        images, seconds, processor: [S, T] of training, when it was tested.
        windows: of all runs, as `training.Progress` has them.
    """

    set: str
    policy: str
    accuracy: Doubles
    images: Doubles
    seconds: Doubles
    processor: Doubles
    windows: Sequence[Sequence[Mapping[str, float]]]

    @classmethod
    def of(cls, name: str, policy: str, runs: Sequence[Found]) -> Arm:
        """Put the runs of several seeds together."""

        def curve(what: str) -> Doubles:
            return np.array([[point[what] for point in run["points"]] for run in runs])

        return cls(
            name,
            policy,
            accuracy=curve("accuracy"),
            images=curve("images"),
            seconds=curve("seconds"),
            processor=curve("processor"),
            windows=[run["windows"] for run in runs],
        )

    @property
    def final(self) -> Doubles:
        """[S] accuracy at the end, in [0, 1]."""
        out: Doubles = self.accuracy[:, -LAST:].mean(1)
        return out

    def reached(self, level: float) -> dict[str, float | None]:
        """Return images and seconds, mean over seeds, when the mean accuracy first is ``level``."""
        there = np.flatnonzero(self.accuracy.mean(0) >= level)
        spent = {name: getattr(self, name).mean(0) for name in ("images", "seconds", "processor")}
        return {name: float(x[there[0]]) if len(there) else None for name, x in spent.items()}

    def _share(self, what: str, by: str) -> float | None:
        """Return the mean of ``what`` over all windows after the first pass, weighted ``by``."""
        some = [w for windows in self.windows for w in windows if w["pass"] > 1]
        total = sum(w[by] for w in some)
        return sum(w[what] * w[by] for w in some) / total if total else None

    @property
    def skipped(self) -> float | None:
        """Share of the images considered after the first pass that was not trained on."""
        some = [w for windows in self.windows for w in windows if w["pass"] > 1]
        considered = sum(w["considered"] for w in some)
        return 1 - sum(w["kept"] for w in some) / considered if considered else None

    def row(self, level: float) -> dict[str, Any]:
        """Return what the table shows, in plain types; ``level`` is SGD's accuracy."""
        reached = self.reached(level)
        return {
            "set": self.set,
            "policy": self.policy,
            "seeds": len(self.final),
            "accuracy": float(self.final.mean()),
            "deviation": float(self.final.std(ddof=1)) if len(self.final) > 1 else None,
            "images": float(self.images[:, -1].mean()),
            "seconds": float(self.seconds[:, -1].mean()),
            "processor": float(self.processor[:, -1].mean()),
            "skipped": self.skipped,
            **{f"{name}_to_sgd": value for name, value in reached.items()},
            "assistant": self._share("accuracy", "learned"),
            "majority": self._share("majority", "learned"),
        }


def rates(found: Found) -> tuple[float, ...]:
    """Return the share of its images that each pass of a run skipped, in [0, 1)."""
    last = int(max(window["pass"] for window in found["windows"]))
    shares = []
    for index in range(1, last + 1):
        some = [window for window in found["windows"] if window["pass"] == index]
        kept = sum(w["kept"] for w in some) / sum(w["considered"] for w in some)
        shares.append(round(1 - kept, 4))
    return tuple(shares)


def rows(arms: Sequence[Arm]) -> list[dict[str, Any]]:
    """Return a row for each of ``arms``, beside SGD on the same set."""
    sgd = {arm.set: float(arm.final.mean()) for arm in arms if arm.policy == SGD}
    return [arm.row(sgd.get(arm.set, float("inf"))) for arm in arms]


def cells(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return the cells under `HEADER`."""
    return [
        (
            row["set"],
            row["policy"],
            number(100 * row["accuracy"], ".2f")
            + ("" if row["deviation"] is None else f" ± {100 * row['deviation']:.2f}"),
            number(row["images"], ",.0f"),
            number(row["seconds"], ",.1f"),
            number(row["processor"], ",.1f"),
            _percent(row["skipped"]),
            number(row["images_to_sgd"], ",.0f"),
            number(row["seconds_to_sgd"], ",.1f"),
            number(row["processor_to_sgd"], ",.1f"),
            _percent(row["assistant"]),
            _percent(row["majority"]),
        )
        for row in found
    ]


def _percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{100 * share:.1f}%"
