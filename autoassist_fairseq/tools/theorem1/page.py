"""What was found of Theorem 1, as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoassist_fairseq.tools.report.figures import Figure
from autoassist_fairseq.tools.report.page import Page

NAME = "theorem1.html"
HEADER = (
    "loss",
    "method",
    "E||w_k - w*||²",
    "bound L/k",
    "holds",
    "steps avoided",
    "loss gradients",
)


def page_of(out: Path, results: Sequence[Mapping[str, Any]], note: str) -> Page:
    """Return the page of ``results`` (see `command.summary`), whose figures lie in ``out``."""
    rows = [
        (
            result["loss"],
            method,
            f"{row['error']:.4g}",
            f"{row['bound']:.3g}",
            "yes" if row["holds"] else "NO",
            f"{row['skipped']:.1f} ({row['skipped'] / row['steps']:.1%})",
            f"{row['computed']:.1f}",
        )
        for result in results
        for method, row in result["methods"].items()
    ]
    figures = [
        Figure(
            f"theorem1-{result['loss']}",
            f"{result['loss']}, {result['rows']:,} rows, mu = {result['mu']:g}",
            "Error under its bound, error for the work done, steps that shrinking avoids. "
            "Conditions: "
            + "; ".join(f"{name}: {'yes' if held else 'NO'}" for name, held in checks.items())
            + ".",
            (out / f"theorem1-{result['loss']}.png",),
        )
        for result in results
        for checks in [result["conditions"]]
    ]
    title = "Theorem 1 of the AutoAssist paper: shrinking keeps E||w_k - w*||² <= L/k"
    return Page(title, "Error and work at the last step", HEADER, rows, note, figures)
