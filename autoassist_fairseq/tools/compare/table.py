"""One row per arm: cost, quality, spread, significance; as text, Markdown and plain types."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from autoassist_fairseq.tools.compare.arms import Arm
from autoassist_fairseq.tools.compare.evidence import Evidence
from autoassist_fairseq.tools.compare.jobs import Result, summary
from autoassist_fairseq.tools.compare.power import as_number
from autoassist_fairseq.tools.compare.significance import Paired
from autoassist_fairseq.tools.report.table import aligned, grid, number

HEADER = (
    "arm",
    "policy",
    "tokens per epoch",
    "ratio",
    "trained tokens",
    "updates",
    "seconds",
    "valid loss",
    "BLEU",
    "sd",
    "n",
    "difference",
    "p (sentences)",
    "p (seeds)",
    "seeds needed",
)
LOSS_HEADER = (
    "arm",
    "valid loss",
    "difference",
    "p (seeds)",
    "seeds needed",
    "tokens to the first's",
    "seconds to the first's",
    "reached",
)


@dataclass(frozen=True)
class Row:
    """An arm: its finished runs by seed, what went wrong in others, and its test."""

    arm: Arm
    runs: Mapping[int, Result]
    failed: Mapping[int, str]
    paired: Paired | None
    evidence: Evidence | None = None

    def mean(self, name: str) -> float | None:
        """Mean of one figure over the runs that have it."""
        values = [getattr(run, name) for run in self.runs.values()]
        known = [float(value) for value in values if value is not None]
        return fmean(known) if known else None

    @property
    def spread(self) -> float | None:
        """Standard deviation of BLEU over seeds (n - 1); None for fewer than two."""
        scores = [run.bleu for run in self.runs.values()]
        return stdev(scores) if len(scores) > 1 else None


def cells(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return the cells under `HEADER`."""
    base = rows[0].mean("epoch_tokens")
    return [_cells(row, base) for row in rows]


def _cells(row: Row, base: float | None) -> tuple[str, ...]:
    epoch = row.mean("epoch_tokens")
    test = row.paired
    return (
        row.arm.name,
        row.arm.policy,
        number(epoch, ",.0f"),
        number(epoch / base if epoch and base else None, ".2f"),
        number(row.mean("tokens"), ",.0f"),
        number(row.mean("updates"), ",.0f"),
        number(row.mean("seconds"), ",.1f"),
        number(row.mean("valid_loss"), ".3f"),
        number(row.mean("bleu"), ".2f"),
        number(row.spread, ".2f"),
        f"{len(row.runs)}" + (f" ({len(row.failed)} failed)" if row.failed else ""),
        number(test.difference if test else None, "+.2f"),
        number(test.sentences if test else None, ".4f"),
        number(test.over_seeds if test else None, ".4f"),
        as_number(test.needed if test else None),
    )


def _loss_cells(row: Row, first: bool) -> tuple[str, ...]:
    found = row.evidence
    assert found is not None
    return (
        row.arm.name,
        number(row.mean("valid_loss"), ".3f"),
        number(None if first else found.difference, "+.3f"),
        number(found.over_seeds, ".4f"),
        as_number(found.needed),
        number(found.mean("tokens"), ".2f"),
        number(found.mean("seconds"), ".2f"),
        f"{len(found.reached)} of {found.seeds}",
    )


def as_text(rows: Sequence[Row]) -> str:
    """Return the table for a terminal."""
    return "\n".join([aligned([HEADER, *cells(rows)]), *problems(rows), *doubts(rows)])


def as_markdown(rows: Sequence[Row], notes: Sequence[str]) -> str:
    """Return the page: table, notes, what went wrong, and every run."""
    arms = [(f"`{row.arm.name}`", f"`{' '.join(_words(row.arm))}`") for row in rows]
    runs = [
        (
            f"{row.arm.name}-{seed}",
            *_run_cells(run, row.paired.by_seed.get(seed) if row.paired else None),
        )
        for row in rows
        for seed, run in sorted(row.runs.items())
    ]
    every = ("run", "updates", "tokens", "seconds", "legs", "epochs", "valid loss", "BLEU", "p")
    losses = [_loss_cells(row, row is rows[0]) for row in rows if row.evidence]
    wrong = [f"- {sentence}" for sentence in problems(rows)]
    parts = [
        "# Comparison",
        grid([HEADER, *cells(rows)], (0, 1)),
        grid([LOSS_HEADER, *losses], (0,)),
        "\n".join(f"- {note}" for note in notes),
        *(["## Failed", "\n".join(wrong)] if wrong else []),
        "## Arms",
        grid([("arm", "flags of its own"), *arms], (0, 1)),
        "## Runs",
        grid([every, *runs], (0,)),
    ]
    return "\n\n".join(parts) + "\n"


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return everything but the translations, in plain types."""
    return [
        {
            "arm": row.arm.name,
            "policy": row.arm.policy,
            "flags": list(row.arm.flags),
            "bleu": row.mean("bleu"),
            "sd": row.spread,
            "paired": None if row.paired is None else dataclasses.asdict(row.paired),
            "evidence": None if row.evidence is None else dataclasses.asdict(row.evidence),
            "runs": {str(seed): dict(summary(run)) for seed, run in sorted(row.runs.items())},
            "failed": {str(seed): told for seed, told in row.failed.items()},
        }
        for row in rows
    ]


def doubts(rows: Sequence[Row]) -> list[str]:
    """Return a warning for every doubt about what BLEU means here."""
    runs = [run for row in rows for run in row.runs.values()]
    return sorted({f"warning: {run.label}" for run in runs if "|doubt:" in run.signature})


def problems(rows: Sequence[Row]) -> list[str]:
    """Return a sentence for every run that failed."""
    return [
        f"{row.arm.name}-{seed} failed: {told}"
        for row in rows
        for seed, told in sorted(row.failed.items())
    ]


def _run_cells(run: Result, p: float | None) -> tuple[str, ...]:
    return (
        f"{run.updates:,}",
        f"{run.tokens:,.0f}",
        f"{run.seconds:,.1f}",
        str(run.legs),
        str(run.epochs),
        number(run.valid_loss, ".3f"),
        f"{run.bleu:.2f}",
        number(p, ".4f"),
    )


def _words(arm: Arm) -> list[str]:
    return [arm.policy, *arm.flags, *(["(another corpus)"] if arm.data else [])]
