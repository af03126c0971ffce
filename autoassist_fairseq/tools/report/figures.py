"""The report's figures: each is drawn if there is something to draw, and says what it shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.lines import Line2D

from autoassist_fairseq.tools.report import style
from autoassist_fairseq.tools.report.keeping import Bin, Keeping
from autoassist_fairseq.tools.report.run import Point, Run
from autoassist_fairseq.tools.report.table import Saving

# What Figure 6 shows of the Assistant, and how
BELIEFS: tuple[tuple[str, Any], ...] = (
    ("accuracy", "-"),
    ("majority", (0, (6, 2))),
    ("safeguard", (0, (1, 1.5))),
)
Curve = tuple[str, list[float], list[float]]


@dataclass(frozen=True)
class Figure:
    """A figure of one panel or more, each in its own file, so that a phone can show them in turn.

    Attributes:
        key: of the section that it belongs to.
        title, caption: for people; the caption stands for the picture where it is not seen.
        paths: PNGs.
    """

    key: str
    title: str
    caption: str
    paths: tuple[Path, ...]


def savings(out: Path, rows: Sequence[Saving], baseline: str) -> Figure | None:
    """Tokens saved beside time saved, per epoch, against the first run."""
    rows = [row for row in rows if row.tokens is not None]
    if not rows:
        return None
    path = out / "savings.png"
    with style.drawn(path, height=1.4 + 0.9 * len(rows)) as (axes,):
        for shift, what in ((-0.2, "tokens"), (0.2, "time")):
            _bars(axes, rows, what, shift)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(rows)), [style.plain(_short(row.name)) for row in rows])
        axes.invert_yaxis()
        axes.set(xlabel="saved per epoch, %")
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.15)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    told = ", ".join(row.sentence for row in rows)
    caption = f"Per epoch, against {baseline}: {told}."
    return Figure("savings", "Tokens saved and time saved", caption, (path,))


def _bars(axes: Any, rows: Sequence[Saving], what: str, shift: float) -> None:
    values = [getattr(row, what) for row in rows]
    heights = [100 * (value or 0.0) for value in values]
    look = (
        {"color": style.COLOURS[0]}
        if what == "tokens"
        else {"color": "#F0C0A0", "hatch": "//"}  # told apart in grey, too
    )
    places = [place + shift for place in range(len(rows))]
    bars = axes.barh(places, heights, 0.38, label=what, edgecolor="black", **look)
    axes.bar_label(
        bars, ["not known" if v is None else f"{100 * v:.0f}%" for v in values], padding=2
    )


def progress(out: Path, runs: Sequence[Run], what: str) -> Figure | None:
    """``loss`` or ``bleu`` on the validation set against trained tokens and against time."""
    label, title = {
        "loss": ("validation NLL, bits per token", "Validation loss"),
        "bleu": ("validation BLEU", "Validation BLEU"),
    }[what]
    paths = out / f"valid-{what}-tokens.png", out / f"valid-{what}-time.png"
    axis = lambda point: point.tokens, lambda point: point.seconds
    names = "trained target tokens", "seconds of training"
    drawn = [
        path
        for path, x, name in zip(paths, axis, names, strict=True)
        if _progress_panel(path, runs, x, what, name, label)
    ]
    if not drawn:
        return None
    last = ", ".join(f"{name} {ys[-1]:.2f}" for name, _, ys in _curves(runs, axis[0], what))
    caption = f"{title} against {' and against '.join(names[: len(drawn)])}. Last: {last}."
    return Figure(
        f"valid-{what}", f"{title} for the tokens and for the time spent", caption, tuple(drawn)
    )


def _progress_panel(
    path: Path,
    runs: Sequence[Run],
    x: Callable[[Point], float | None],
    what: str,
    x_label: str,
    y_label: str,
) -> bool:
    """Draw one panel; False if there is nothing to draw."""
    curves = _curves(runs, x, what)
    if curves:
        with style.drawn(path) as (axes,):
            names = [run.name for run in runs]
            for name, xs, ys in curves:
                look = style.look(names.index(name), markers=True)
                axes.plot(xs, ys, label=style.plain(_short(name)), **look)
            axes.set(xlabel=x_label, ylabel=y_label)
            axes.set_xlim(left=0)
            style.few_ticks(axes)
            axes.legend()
    return bool(curves)


def _curves(runs: Sequence[Run], x: Callable[[Point], float | None], what: str) -> list[Curve]:
    curves = []
    for run in runs:
        points = [(x(point), getattr(point, what)) for point in run.points]
        known = [(a, b) for a, b in points if a is not None and b is not None]
        if known:
            curves.append((run.name, [a for a, _ in known], [b for _, b in known]))
    return curves


def figure6(out: Path, runs: Sequence[Run]) -> Figure | None:
    """Figure 6 of the paper: the Assistant's accuracy and its safeguard rate."""
    shown = [(index, run) for index, run in enumerate(runs) if run.beliefs]
    if not shown:
        return None
    path = out / "figure6.png"
    names = [style.plain(_short(run.name)) for _, run in shown]
    columns = 3 if max(map(len, names)) <= 16 else 1
    lines = [
        Line2D([], [], color=_colour(index), label=name)
        for (index, _), name in zip(shown, names, strict=True)
    ]
    dashes = [Line2D([], [], color="black", linestyle=dash, label=kind) for kind, dash in BELIEFS]
    height = style.HEIGHT + 0.25 * math.ceil(len(lines) / columns)
    with style.drawn(path, height=height) as (axes,):
        for index, run in shown:
            _beliefs(axes, run, _colour(index))
        axes.set(xlabel="updates", ylabel="share", ylim=(0, 1.02))
        axes.set_xlim(left=0)
        figure = axes.figure
        figure.legend(handles=dashes, loc="outside upper center", ncols=3)
        figure.legend(handles=lines, loc="outside lower center", ncols=columns)
    return Figure(
        "figure6",
        "The Assistant's accuracy and safeguard rate (Figure 6 of the paper)",
        "Solid: prequential accuracy of the Assistant. Dashed: accuracy of always guessing the "
        "more frequent label of the same pairs, which it has to beat. Dotted: safeguard rate.",
        (path,),
    )


def _beliefs(axes: Any, run: Run, colour: str) -> None:
    for kind, dash in BELIEFS:
        known = [belief for belief in run.beliefs if getattr(belief, kind) is not None]
        updates = [belief.updates for belief in known]
        axes.plot(updates, [getattr(b, kind) for b in known], color=colour, linestyle=dash)


def _colour(index: int) -> str:
    return style.COLOURS[index % len(style.COLOURS)]


def keep_rates(out: Path, runs: Sequence[Run], found: Sequence[Keeping]) -> Figure | None:
    """Keep rate by sentence length and by word rarity."""
    if not found:
        return None
    panels = (
        (out / "keep-by-length.png", "by_length", "target tokens"),
        (out / "keep-by-rarity.png", "by_rarity", "-log relative frequency of the words, nats"),
    )
    names = [run.name for run in runs]
    for path, attribute, x_label in panels:
        with style.drawn(path) as (axes,):
            for one in found:
                bins: list[Bin] = getattr(one, attribute)
                look = style.look(names.index(one.run), markers=True)
                label = style.plain(_short(one.run))
                axes.plot([b.value for b in bins], [b.keep for b in bins], label=label, **look)
            axes.set(xlabel=x_label, ylabel="chance to be kept", ylim=(0, 1.02))
            axes.legend(loc="lower right")
    return Figure(
        "keeping",
        "Keep rate by sentence length and by word rarity",
        "Mean chance of a pair to be kept in the next pass, for tenths of the training set: by "
        "target length, and by how rare the words of the pair are.",
        tuple(path for path, _, _ in panels),
    )


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:11]}…{name[-12:]}"
