"""The closing table: what each arm cost per pass, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

from autoassist_fairseq.tools.common.training_log import Log

#: From this pass on the Assistant chooses; the pass before keeps everything.
FIRST_SHRUNK = 2


@dataclass(frozen=True)
class Epoch:
    """One pass over the data.

    Attributes:
        epoch: its number, from 1.
        tokens: target tokens that were trained on (fairseq's ``wpb`` times its updates).
        updates: updates of the model.
        seconds: wall time since the epoch before (so planning and data loading count), without
            validation and writing checkpoints.
        resumed: whether a resumed process began with it: its time then leaves out what came
            before its first batch.
        valid_loss: NLL per target token on the validation set, in bits as fairseq logs it.
        keep_tokens: share of the target tokens that the Assistant kept, if there is one.
    """

    epoch: int
    tokens: int
    updates: int
    seconds: float
    resumed: bool
    valid_loss: float
    keep_tokens: float | None


def last_epoch(log: Log) -> Epoch:
    """Return the last epoch that a log tells of."""
    mark = log.train[-1]
    before = log.train[-2] if len(log.train) > 1 else None
    updates = mark.updates - (before.updates if before else log.first_update)
    seconds = (mark.seconds or 0.0) - ((before.seconds or 0.0) if before else 0.0)
    return Epoch(
        epoch=mark.epoch,
        tokens=round(mark.figures["wpb"] * updates),
        updates=updates,
        seconds=round(seconds, 3),
        resumed=mark.epoch in log.resumed,
        valid_loss=log.valid[-1].figures["nll_loss"] if log.valid else float("nan"),
        keep_tokens=mark.figures.get("aa_keep_tokens"),
    )


@dataclass(frozen=True)
class ArmResult:
    """One row of the table, per pass from the second on.

    Attributes:
        tokens: target tokens trained on, the mean.
        seconds: wall time of training without validation, the median: other work on the machine
            disturbs single passes.
        bleu: sacreBLEU of the detokenised test set.
    """

    tokens: float
    seconds: float
    bleu: float


def arm_result(epochs: Sequence[Epoch], bleu: float) -> ArmResult:
    """The row for these epochs; the time of a pass that was interrupted does not count."""
    counted = [epoch for epoch in epochs if epoch.epoch >= FIRST_SHRUNK]
    timed = [epoch for epoch in counted if not epoch.resumed] or counted
    return ArmResult(
        tokens=fmean(epoch.tokens for epoch in counted),
        seconds=median(epoch.seconds for epoch in timed),
        bleu=bleu,
    )


def table(arms: Mapping[str, ArmResult]) -> str:
    """The closing table; the last row compares the second arm with the first."""
    first, second = arms.values()
    rows = [
        ("", "tokens per epoch", "seconds per epoch", "BLEU"),
        *(
            (name, f"{arm.tokens:,.0f}", f"{arm.seconds:.1f}", f"{arm.bleu:.1f}")
            for name, arm in arms.items()
        ),
        (
            "ratio",
            f"{second.tokens / first.tokens:.2f}",
            f"{second.seconds / first.seconds:.2f}",
            f"{second.bleu - first.bleu:+.1f}",
        ),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(_aligned(row, widths) for row in rows)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *figures = row
    cells = [figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True)]
    return "  ".join([name.ljust(widths[0]), *cells])


def as_json(
    arms: Mapping[str, ArmResult],
    epochs: Mapping[str, Sequence[Epoch]],
    signature: str,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Everything behind the table, for machines."""
    return {
        "arms": {
            name: {**asdict(arm), "epochs": [asdict(epoch) for epoch in epochs[name]]}
            for name, arm in arms.items()
        },
        "from_pass": FIRST_SHRUNK,
        "signature": signature,
        "versions": dict(versions),
    }
