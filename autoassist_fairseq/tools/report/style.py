"""How figures look: colours that colour-blind readers tell apart, and lines that print tells apart.

No window is ever opened: figures are drawn straight into files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from autoassist_fairseq.tools.common.files import staged

# Okabe and Ito's colours, dark ones first; each with its own dash and marker for print in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DPI = 150
HEIGHT = 4.0  # inches

_SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
}


def look(index: int, *, markers: bool = False) -> dict[str, Any]:
    """Return colour, dash and, if asked, marker of line ``index``, as matplotlib's options."""
    style = {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[index % len(DASHES)],
    }
    return {**style, "marker": MARKERS[index % len(MARKERS)]} if markers else style


def plain(text: str) -> str:
    """Return ``text`` such that matplotlib takes no `$` in it for a formula."""
    return text.replace("$", r"\$")


@contextmanager
def drawn(
    path: Path, columns: int = 1, width: float = 6.4, height: float = HEIGHT
) -> Iterator[Any]:
    """Yield the axes [columns] of a figure that is written to ``path`` (PNG).

    Args:
        path: of the PNG file.
        columns: panels beside each other.
        width: of one panel, in inches.
        height: in inches.
    """
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(width * columns, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure.subplots(1, columns, squeeze=False)[0]
        with staged(path) as part:
            # Without the metadata, the same figures give the same bytes.
            figure.savefig(part, format="png", metadata={"Software": None})


def few_ticks(axes: Any) -> None:
    """Few ticks below, and large numbers as 20 k, 3 M."""
    axes.xaxis.set_major_locator(MaxNLocator(5))
    if axes.get_xlim()[1] >= 10_000:
        axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
