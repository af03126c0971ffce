"""``--autoassist-rate``: numbers, or the log of a run whose rate is to be matched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairseq import checkpoint_utils

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.log_lines import Line, read_line


def settle_rates(cfg: Any) -> None:
    """Write the rates that a log has into ``cfg`` (of the task), and so into every checkpoint.

    Once the log is gone, the run goes on with those of the checkpoint.
    """
    text, whole = str(cfg.autoassist_rate), cfg._get_parent()
    try:
        rates = rates_from(text)
    except UserError:
        rates = _rates_of_checkpoint(whole.checkpoint)
        if not rates:
            raise
    cfg.autoassist_rate = whole.task.autoassist_rate = ",".join(map(repr, rates))


def _rates_of_checkpoint(options: Any) -> tuple[float, ...]:
    """Return the rates of the run that ``options`` go on with; () if it has none."""
    name = options.restore_file.replace(".pt", f"{options.checkpoint_suffix}.pt")
    path = Path(name)
    if options.restore_file == "checkpoint_last.pt":
        path = Path(options.save_dir) / path
    if not path.is_file():
        return ()
    saved = checkpoint_utils.load_checkpoint_to_cpu(str(path))["cfg"]["task"]
    return rates_from(str(saved.get("autoassist_rate", "")))


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
    kept: dict[int, float] = {}
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                _note(kept, read_line(line))
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
    rates = tuple(min(max(0.0, 1 - kept[epoch]), 1 - 1e-6) for epoch in sorted(kept))
    # One rate alone would be that of all passes, with a warm-up before.
    return rates * 2 if len(rates) == 1 else rates


def _note(kept: dict[int, float], line: Line) -> None:
    """Note the share of tokens kept, by epoch, if a line ends one.

    What was told before of that epoch and later ones is done again, or was of another run.
    """
    if line.kind != "train":
        return
    epoch = int(line.figures["epoch"])
    for later in [one for one in kept if one >= epoch]:
        del kept[later]
    if "aa_keep_tokens" in line.figures:
        kept[epoch] = line.figures["aa_keep_tokens"]
