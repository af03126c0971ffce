"""Figure 5 and Figure 6 of the paper, of these runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autoassist_fairseq.tools.figure5.results import Arm
from autoassist_fairseq.tools.report import style
from autoassist_fairseq.tools.report.figures import BELIEFS, Figure


def figure5(out: Path, title: str, arms: Sequence[Arm]) -> Figure:
    """Accuracy against seconds, and against trained images; the arms are of one set."""
    name = arms[0].set
    paths = tuple(out / f"figure5-{name}-{what}.png" for what in ("seconds", "images"))
    for path, what, label in zip(
        paths, ("seconds", "images"), ("seconds of training", "images trained on"), strict=True
    ):
        with style.drawn(path) as (axes,):
            for index, arm in enumerate(arms):
                _curve(axes, arm, getattr(arm, what).mean(0), index)
            axes.set(xlabel=label, ylabel="test accuracy, %")
            axes.set_ylim(*_heights(arms))
            style.few_ticks(axes)
            axes.legend(loc="lower right")
    told = ", ".join(f"{arm.policy} {100 * arm.final.mean():.2f}%" for arm in arms)
    seeds = len(arms[0].final)
    caption = f"{title}: test accuracy, mean of {seeds} seed{'s' * (seeds > 1)}"
    caption += ", band of their standard deviation" * (seeds > 1) + f". At the end: {told}."
    return Figure(f"figure5-{name}", f"{title} (Figure 5 of the paper)", caption, paths)


def _curve(axes: Any, arm: Arm, x: Any, index: int) -> None:
    mean, look = 100 * arm.accuracy.mean(0), style.look(index)
    axes.plot(x, mean, label=arm.policy, **look)
    if len(arm.accuracy) > 1:
        spread = 100 * arm.accuracy.std(0, ddof=1)
        axes.fill_between(x, mean - spread, mean + spread, color=look["color"], alpha=0.15)


def _heights(arms: Sequence[Arm]) -> tuple[float, float]:
    """Return the range of accuracies, in %, that tells curves apart: without their first rise."""
    means = np.concatenate([100 * arm.accuracy.mean(0) for arm in arms])
    low, high = float(np.quantile(means, 0.15)), float(means.max())
    margin = max(0.08 * (high - low), 0.5)
    return low - margin, min(high + margin, 100.5)


def figure6(out: Path, arms: Sequence[Arm]) -> Figure | None:
    """The Assistant's accuracy, the majority guess and the safeguard rate, of ``shrink``."""
    shown = [arm for arm in arms if arm.policy == "shrink"]
    if not shown:
        return None
    paths = tuple(out / f"figure6-{arm.set}.png" for arm in shown)
    for path, arm in zip(paths, shown, strict=True):
        with style.drawn(path) as (axes,):
            learned = [window for window in arm.windows[0] if window["learned"]]
            for index, (what, dash) in enumerate(BELIEFS):
                values = [window[what] for window in learned]
                x = [window["images"] for window in learned]
                axes.plot(x, values, label=what, linestyle=dash, color=style.COLOURS[index])
            axes.set(xlabel="images trained on", ylabel="share", ylim=(0, 1.02), title=arm.set)
            style.few_ticks(axes)
            axes.legend(loc="lower right")
    return Figure(
        "figure6",
        "The Assistant's accuracy and safeguard rate (Figure 6 of the paper)",
        "Of the first seed. Accuracy: prequential, in predicting which images have no loss left. "
        "Majority: always guessing the more frequent label of the same images.",
        paths,
    )
