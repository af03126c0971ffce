"""Whether text is what a run was trained on: the binarised corpus between them tells."""

from __future__ import annotations

import html
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.report.fitting import trained_text
from autoassist_fairseq.tools.scoring.split import find_split
from autoassist_fairseq.tools.scoring.text import read_lines

#: So many pairs, spread over the corpus, are looked at.
SAMPLE = 1000
_UNKNOWN = "<unk>"


def binarised(text: Path, given: Path | None) -> Path | None:
    """Return the corpus that was made of ``text``: the given one, or that beside it, if there is.

    Where there is none, a warning says what is not looked at.
    """
    beside = text.resolve().parent / "bin"
    if given is None and not beside.is_dir():
        print(
            f"warning: `--data` is not given, and no bin/ lies beside `--text` {text}: whether the "
            "run was trained on that text was told by the number of its pairs alone.",
            file=sys.stderr,
        )
        return None
    return given or beside


def check_text(state: Mapping[str, Any], text: Path, data: Path) -> None:
    """Require the pairs in ``text`` to be those that the Assistant with ``state`` was trained on.

    Args:
        state: as `checkpoints.assistant_state` returns it.
        text: folder with train.SRC and train.TGT.
        data: the binarised corpus that was made of them.

    Raises:
        UserError: ``data`` is not what the run was trained on, or holds other pairs than ``text``.
    """
    corpus = trained_text(state, data)
    split = find_split(data, state["run"]["split"], *state["run"]["languages"])
    sides = [read_lines(text / f"train.{one}", "--text") for one in (split.source, split.target)]
    pairs = np.unique(np.linspace(0, len(corpus.corpus) - 1, SAMPLE).astype(np.int64))
    shown = [(corpus.pair(pair), [side[pair] for side in sides]) for pair in pairs]
    known = [both for both in shown if _UNKNOWN not in "".join(both[0])]
    other = sum(_letters(ours) != _letters(theirs) for ours, theirs in known)
    if 2 * other > len(known):
        raise UserError(
            f"`--text` must be what {data} was made of, line by line, but of {len(known):,} "
            f"pairs looked at {other:,} differ; give the text/ that was prepared with it, or its "
            "`--data`."
        )


def _letters(pair: Sequence[str]) -> str:
    """Return what neither tokens, nor escapes, nor normalisation change of a pair."""
    text = unicodedata.normalize("NFKC", html.unescape(" ".join(pair))).casefold()
    return re.sub(r"[\W_]+", "", text)
