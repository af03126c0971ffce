"""``--autoassist-rate``: numbers, or the log of a run whose rate is to be matched."""

from __future__ import annotations

import json
import re
from pathlib import Path

from autoassist_fairseq.errors import UserError

# The line at the end of an epoch, in JSON or in fairseq's simple format; `--log-file` has it bare
_JSON = re.compile(r"(\{.*\"train_aa_keep_tokens\".*\})\s*$")
_SIMPLE = re.compile(r"\bepoch (\d+) \|.*\baa_keep_tokens (\S+)")


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


def _kept(line: str) -> tuple[int, float] | None:
    """Return (epoch, share of tokens kept) if ``line`` ends an epoch; a rerun overwrites."""
    if found := _SIMPLE.search(line):
        return int(found[1]), float(found[2])
    if found := _JSON.search(line):
        try:
            figures = json.loads(found[1])
            return int(figures["epoch"]), float(figures["train_aa_keep_tokens"])
        except (ValueError, KeyError):
            return None
    return None
