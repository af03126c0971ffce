"""ROC curves: how well numbers tell the spoiled pairs from the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.report.style import drawn, look, plain


@dataclass(frozen=True)
class Curve:
    """One ROC curve.

    Attributes:
        name: for people.
        area: under it, in [0, 1].
        false, true: shares of the good and of the spoiled pairs that are above each threshold.
    """

    name: str
    area: float
    false: NDArray[np.float64]
    true: NDArray[np.float64]


def curve(name: str, spoiled: NDArray[np.bool_], numbers: NDArray[np.floating]) -> Curve | None:
    """Return the curve of ``numbers`` [pairs]; None where all pairs, or none, are spoiled."""
    if not 0 < spoiled.sum() < len(spoiled):
        return None
    false, true, _ = roc_curve(spoiled, numbers)
    return Curve(name, float(roc_auc_score(spoiled, numbers)), false, true)


def told(found: Curve | float | None) -> str:
    """Return an area, or a share in [0, 1], for a table; a dash for what could not be reckoned."""
    value = found.area if isinstance(found, Curve) else found
    return "-" if value is None or np.isnan(value) else f"{value:.3f}"


def draw(found: Sequence[Curve | None], path: Path) -> None:
    """Draw what there is of ``found`` into ``path``.

    Raises:
        UserError: there is nothing.
    """
    if not any(found):
        raise UserError(
            f"`--figure` {path} needs spoiled pairs and others whose scores are known, but there "
            "are none in what was given; leave it out, or give a later checkpoint."
        )
    with drawn(path, width=5.2, height=5.0) as (axes,):
        for index, one in enumerate(found):
            if one is not None:
                label = plain(f"{one.name}: {one.area:.3f}")
                axes.plot(one.false, one.true, label=label, **look(index))
        axes.set_xlabel("share of the good pairs that is above")
        axes.set_ylabel("share of the spoiled pairs that is above")
        axes.legend(title="area under the curve", loc="lower right")
