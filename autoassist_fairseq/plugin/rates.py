"""``--autoassist-rate``: numbers, or the log of a run whose rate is to be matched."""

from __future__ import annotations

from pathlib import Path

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.log_lines import read_line


def rates_from(text: str) -> tuple[float, ...]:
    """Return one rate for each pass, or one for all.

    Raises:
        UserError: ``text`` is neither numbers nor a log with ``aa_keep_tokens``.
    """
    try:
        return tuple(float(word) for word in text.split(",") if word.strip())
    except ValueError:
        return _rates_of(Path(text))


def _rates_of(log: Path) -> tuple[float, ...]:
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            kept = dict(found for line in lines if (found := _kept(line)))
    except OSError as error:
        raise UserError(
            "`--autoassist-rate` must be in [0, 1), one for all passes or one for each, or a log, "
            f"but {str(log)!r} is no number, and no file that can be read ({error.strerror})."
        ) from error
    if sorted(kept) != list(range(1, len(kept) + 1)) or not kept:
        raise UserError(
            f"`--autoassist-rate` must name a log with aa_keep_tokens at the end of every epoch, "
            f"but {log} has it for {len(kept)} epochs; give the log of a whole run with the "
            "Assistant, or a number."
        )
    return tuple(min(max(0.0, 1 - kept[epoch]), 1 - 1e-6) for epoch in sorted(kept))


def _kept(raw: str) -> tuple[int, float] | None:
    """Return (epoch, share of tokens kept) if a line ends an epoch; a rerun overwrites."""
    line = read_line(raw)
    if line.kind != "train" or "aa_keep_tokens" not in line.figures:
        return None
    return int(line.figures["epoch"]), line.figures["aa_keep_tokens"]
