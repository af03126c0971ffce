"""What a run found out about every pair, as a table (logic of ``autoassist scores``)."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from autoassist_fairseq.assistant.trivial.threshold import Threshold
from autoassist_fairseq.assistant.wrong import verdicts
from autoassist_fairseq.assistant.wrong.opinion import NAMES, kinds_of
from autoassist_fairseq.assistant.wrong.standard import Standard
from autoassist_fairseq.assistant.wrong.surprise import OTHER, PASSES, Surprise
from autoassist_fairseq.assistant.wrong.text_judge import KINDS
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.files import staged
from autoassist_fairseq.tools.report.corpus import Text
from autoassist_fairseq.tools.report.fitting import trained_text

HEADER = ("pair", "loss", "expected", "surprise", "class", "posterior", "kind")
TEXT = ("source", "target")


@dataclass(frozen=True)
class Scores:
    """What is remembered of every pair.

    Attributes:
        losses: [pairs] of the last measurement, nats per target token; NaN = never measured.
        surprises: [pairs] how far they were beyond what was expected then.
        hopeless: [pairs] whether the pair was hopeless in the last pass.
        threshold: the loss up to which a pair is learned, nats per target token.
        standard: that surprises of short and long targets were compared by.
        text: [pairs] probability that the pair is wrong, by its text alone; NaN = nobody asked.
        kinds: [pairs] what it is if it is hopeless: places in `NAMES`.
    """

    losses: NDArray[np.float32]
    surprises: NDArray[np.float32]
    hopeless: NDArray[np.bool_]
    threshold: float
    standard: Standard
    text: NDArray[np.float32]
    kinds: NDArray[np.int64]

    @property
    def expected(self) -> NDArray[np.float32]:
        """[pairs] what was to be expected of each target then, nats per target token."""
        return self.losses - self.surprises

    def check(self, text: Text) -> None:
        """Require the ``text`` of as many pairs; `UserError` if it is of others."""
        if len(text.corpus) != len(self.losses):
            raise UserError(
                f"`--data` must be what the run was trained on, {len(self.losses):,} pairs, but "
                f"has {len(text.corpus):,}; give the same folder."
            )

    def name(self, pair: int) -> str:
        """Return the class of a pair: learned, learnable, hopeless or unknown."""
        if self.hopeless[pair]:
            return "hopeless"
        if np.isnan(self.losses[pair]):
            return "unknown"
        return "learned" if self.losses[pair] <= self.threshold else "learnable"


def state_of(path: Path) -> Mapping[str, Any]:
    """Return the Assistant's state in the checkpoint ``path``; `UserError` if it holds none."""
    # Reading a checkpoint takes PyTorch; telling about bad options does not.
    from autoassist_fairseq.tools.common.checkpoints import assistant_state

    state = assistant_state(path, "CHECKPOINT")
    if state is None:
        raise UserError(
            f"CHECKPOINT must hold an Assistant, but {path} holds none; give one that "
            "`--task autoassist_translation` wrote, not an average."
        )
    return state


def scores_in(state: Mapping[str, Any], place: object) -> Scores:
    """Return the scores in the Assistant's ``state``.

    Raises:
        UserError: it holds none; ``place`` is named.
    """
    try:
        saved = state["policy"].get("surprise")
        if saved is None:
            raise UserError(
                f"{place} must be of a run that looked for hopeless pairs, but it did not; train "
                "with `--autoassist-hopeless keep` (or cut, or weight)."
            )
        memory = Surprise(len(saved["losses"]))
        memory.load_state_dict(saved)
        standard = Standard.saved(state["policy"]["hopeless"])
        told = _told(state["policy"], len(memory.losses))
        threshold = Threshold(1.0)
        threshold.load_state_dict(state["assistant"]["threshold"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"the Assistant in {place} cannot be read ({type(error).__name__}: {error}); take "
            "another checkpoint."
        ) from error
    return Scores(
        memory.losses.astype(np.float32),
        memory.surprises.astype(np.float32),
        memory.passes // PASSES > OTHER,
        threshold.value,
        standard,
        np.where(told == verdicts.UNKNOWN, np.float32("nan"), verdicts.posterior(told)),
        kinds_of(told),
    )


def _told(policy: Mapping[str, Any], pairs: int) -> NDArray[np.uint8]:
    """Return what the text says of each of so many ``pairs``; 255 where that is unknown.

    Of text that is not believed only those verdicts count that need no reading: an empty side.
    """
    unknown = np.full(pairs, verdicts.UNKNOWN, np.uint8)
    if "text" not in policy:  # of a version that did not read it
        return unknown
    told: NDArray[np.uint8] = np.asarray(policy["text"]["verdicts"])
    if policy["hopeless"].get("believed", 0.0) > 0:
        return told
    return np.where(verdicts.kinds(told) == KINDS.index("empty"), told, unknown)


class _Plain(csv.excel_tab):
    """Tabs between columns, and no quotes: `_rows` sees to it that none are needed."""

    quoting, quotechar, lineterminator = csv.QUOTE_NONE, None, "\n"


def parser() -> argparse.ArgumentParser:
    """Return the command line of ``autoassist scores``."""
    p = argparse.ArgumentParser(
        prog="autoassist scores",
        description="Write what a run that looked for hopeless pairs found out about every pair, "
        "as tab-separated values: pair (from 0, in the order of the training set), loss, expected "
        "loss and surprise in nats per target token, class: learned, learnable, hopeless or "
        "unknown (never trained on), posterior: how likely the pair "
        "is to be wrong, by its text alone, and the kind of a hopeless pair.",
    )
    p.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="of the run")
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help="TSV to write")
    p.add_argument("--data", type=Path, metavar="DATA", help="binarised corpus: adds the text")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    args = parser().parse_args(argv)
    state = state_of(args.checkpoint)
    scores = scores_in(state, args.checkpoint)
    text = None if args.data is None else trained_text(state, args.data)
    if text is not None:
        scores.check(text)
    with staged(args.out) as part, part.open("w", encoding="utf-8") as stream:
        writer = csv.writer(stream, _Plain)
        writer.writerow(HEADER + (TEXT if text else ()))
        rows = tqdm(_rows(scores, text), total=len(scores.losses), unit="pairs", disable=None)
        writer.writerows(rows)
    hopeless = int(scores.hopeless.sum())
    print(f"{hopeless:,} of {len(scores.losses):,} pairs are hopeless: {args.out}", file=sys.stderr)
    return 0


def _rows(scores: Scores, text: Text | None) -> Iterator[tuple[object, ...]]:
    columns = scores.losses, scores.expected, scores.surprises
    for pair in range(len(scores.losses)):
        numbers = (f"{column[pair]:.3f}" for column in columns)
        # A tab or a line end inside a sentence would break the table.
        words = () if text is None else (" ".join(side.split()) for side in text.pair(pair))
        name, chance = scores.name(pair), f"{scores.text[pair]:.3f}"
        kind = NAMES[scores.kinds[pair]] if name == "hopeless" else "-"
        yield (pair, *numbers, name, chance, kind, *words)
