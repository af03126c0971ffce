"""Table 2 of the paper, for these runs, and what each saves against the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoassist_fairseq.tools.report.run import Run

HEADER = (
    "run",
    "policy",
    "tokens per epoch",
    "seconds per epoch",
    "BLEU",
    "epochs",
    "tokens in all",
    "tokens saved",
    "time saved",
)
UNKNOWN = "–"


@dataclass(frozen=True)
class Saving:
    """Shares of the first run's tokens and seconds per epoch that a run does without (below 1)."""

    name: str
    tokens: float | None
    time: float | None

    @property
    def sentence(self) -> str:
        """Both, for people."""
        return (
            f"{self.name} {percent(self.tokens)} of the tokens and {percent(self.time)} of the time"
        )


def savings(runs: Sequence[Run]) -> list[Saving]:
    """Compare all runs but the first with the first."""
    first = runs[0]
    return [
        Saving(
            run.name,
            _saved(run.tokens_per_epoch, first.tokens_per_epoch),
            _saved(run.seconds_per_epoch, first.seconds_per_epoch),
        )
        for run in runs[1:]
    ]


def rows(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """The cells under `HEADER`."""
    saved = [Saving(runs[0].name, None, None), *savings(runs)]
    return [
        (
            run.name,
            run.policy or UNKNOWN,
            number(run.tokens_per_epoch, ",.0f"),
            number(run.seconds_per_epoch, ",.1f"),
            number(run.bleu, ".2f"),
            str(len(run.whole)),
            f"{run.tokens:,}" if run.epochs else UNKNOWN,
            percent(saving.tokens),
            percent(saving.time),
        )
        for run, saving in zip(runs, saved, strict=True)
    ]


def note(runs: Sequence[Run]) -> str:
    """What the figures of the table are."""
    signatures = sorted({run.signature for run in runs if run.signature})
    short = [run.name for run in runs if run.whole and run.whole[-1].number <= run.warmup]
    numbers = " or ".join(str(first) for first in sorted({run.warmup + 1 for run in runs}))
    parts = [
        f"Epochs from number {numbers} on (policies that skip keep every pair before): target "
        "tokens trained on, mean; seconds of training without validation and writing checkpoints, "
        f"median. Saved: against {runs[0].name}."
    ]
    if short:
        parts.append(f"No such epoch, so that all count: {', '.join(short)}.")
    if signatures:
        named = ", or on the subset named" * any("|subset:" in one for one in signatures)
        parts.append(f"BLEU on the test set{named}: {'; '.join(signatures)}.")
    return " ".join(parts)


def as_text(runs: Sequence[Run]) -> str:
    """The table for a terminal."""
    return aligned([HEADER, *rows(runs)])


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """Columns for a terminal: the first two of words, the others of numbers."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def grid(lines: Sequence[Sequence[str]], words: Sequence[int]) -> str:
    """Return a Markdown table of ``lines``, the header first; columns ``words`` are text."""
    rule = [":--" if column in words else "--:" for column in range(len(lines[0]))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def percent(share: float | None) -> str:
    """A share, for people."""
    return UNKNOWN if share is None else f"{100 * share:.0f}%"


def _saved(mine: float | None, baseline: float | None) -> float | None:
    return None if mine is None or not baseline else 1 - mine / baseline


def number(value: float | None, form: str) -> str:
    """A number, or `UNKNOWN`, for people."""
    return UNKNOWN if value is None else format(value, form)
