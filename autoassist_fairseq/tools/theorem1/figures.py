"""The curves of Theorem 1: error under its bound, error for the work done, and work avoided."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autoassist_fairseq.tools.report import style
from autoassist_fairseq.tools.theorem1.problem import Problem
from autoassist_fairseq.tools.theorem1.runs import Curve


def draw(path: Path, problem: Problem, curves: Sequence[Curve]) -> None:
    """Draw the three panels of one problem into a PNG."""
    k = np.arange(1, len(curves[0].error) + 1)
    with style.drawn(path, 3, width=4.8) as (error, work, avoided):
        error.loglog(k, problem.bound / k, color="#666666", linestyle=":", label="bound L/k")
        for index, curve in enumerate(curves):
            look = style.look(index)
            error.loglog(k, curve.error, label=curve.method, **look)
            begun = curve.computed >= 1
            work.loglog(curve.computed[begun], curve.error[begun], label=curve.method, **look)
            if curve.skipped[-1] > 0:
                avoided.semilogx(k, curve.skipped, label=curve.method, **look)
        _name(error, f"{problem.loss}, mu = {problem.mu:g}", "step k", "mean ||w_k - w*||²")
        _name(work, "Error for the work done", "loss gradients computed", "mean ||w_k - w*||²")
        _name(avoided, "Steps that shrinking avoids", "step k", "steps avoided, in all")


def _name(axes: Any, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.legend(fontsize="small")
