"""The training set of a run's Assistant: with its sides as they were then, and no other one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.schedule.folder import CORPUS
from autoassist_fairseq.schedule.identity import FORMAT, identity
from autoassist_fairseq.tools.report.corpus import Text, read_text


def trained_text(state: Mapping[str, Any], data: Path) -> Text:
    """Return the training set in ``data`` that the Assistant with ``state`` was trained on.

    Args:
        state: as `checkpoints.assistant_state` returns it.
        data: binarised corpus.

    Raises:
        UserError: it is missing, damaged, or not what the run was trained on.
    """
    run, fits = state["run"], state.get("fits") or {}
    source, target = run["languages"]
    text = read_text(data, source, target, run["split"])
    here = _identity(text, run["longest"])
    if run["resized"] or state.get("format") != FORMAT:  # lengths, or a digest, of another kind
        del here[CORPUS]
    for name, digest in here.items():
        if fits.get(name) != digest:
            raise UserError(
                f"`--data` must be what the run was trained on, but the {name} of {data} is not "
                "its checkpoint's; give the run's own folder (of several, the one it was in)."
            )
    return text


def _identity(text: Text, longest: list[int | None]) -> dict[str, str]:
    corpus = text.corpus
    pairs = np.arange(len(corpus))
    sizes = [side.sizes(pairs).astype(np.int32) for side in (corpus.source, corpus.target)]
    beyond = [
        size > (np.inf if most is None else most) for size, most in zip(sizes, longest, strict=True)
    ]
    left_out = np.flatnonzero(beyond[0] | beyond[1]).astype(np.int32)
    return identity(corpus, left_out, sizes, (text.source.symbols, text.target.symbols))
