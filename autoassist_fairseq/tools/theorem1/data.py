"""Where the rows come from: a LIBSVM file, or a generated set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_svmlight_file

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.theorem1.problem import Floats

# The simulation works on a dense matrix: 2 GB.
MOST_CELLS = 250_000_000

# The generated set: most rows are easy, some lie near the border, a few have the wrong label.
NOISE, NEAREST, FARTHEST, FLIPPED = 0.5, 0.2, 0.8, 0.05


def generated(rows: int, columns: int, seed: int) -> Floats:
    """Return labelled rows y_i x_i [N, C] in the unit ball, of two classes with some overlap."""
    rng = np.random.default_rng([seed, 0])
    direction = rng.normal(size=columns)
    direction /= np.linalg.norm(direction)
    out = rng.normal(size=(rows, columns)) * NOISE / np.sqrt(columns)
    out += np.outer(rng.uniform(NEAREST, FARTHEST, rows), direction)
    out /= np.maximum(1.0, np.linalg.norm(out, axis=1, keepdims=True))
    out[rng.random(rows) < FLIPPED] *= -1
    return np.asarray(out)


def from_file(path: Path, unit_rows: bool) -> Floats:
    """Return labelled rows y_i x_i [N, C] of a LIBSVM file with two classes.

    Args:
        path: lines of ``label column:value ...``, plain, ``.gz`` or ``.bz2``.
        unit_rows: scale every row to length 1.

    Raises:
        UserError: the file cannot be used.
    """
    values, labels = _load(path)
    classes = np.unique(labels)
    if len(classes) != 2:
        raise UserError(
            f"`--file` must hold two classes, but {path} holds {len(classes)}; keep the lines of "
            "two labels, or relabel them."
        )
    if not np.isfinite(values).all() or not values.any():
        raise UserError(
            f"`--file` must hold finite values that are not all zero, but {path} does not; mend "
            "or remove its bad lines."
        )
    if unit_rows:
        values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-300)
    signs = np.where(labels == classes[1], 1.0, -1.0)
    return np.asarray(values * signs[:, None])


def _load(path: Path) -> tuple[Floats, Floats]:
    try:
        values, labels = load_svmlight_file(str(path))
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"`--file` must be readable, but {path} is not: {reason}.") from error
    except (ValueError, OverflowError) as error:
        raise UserError(
            f"`--file` must be in LIBSVM format (label column:value ...), but {path} is not: "
            f"{str(error).splitlines()[0]}."
        ) from error
    cells = values.shape[0] * values.shape[1]
    if cells > MOST_CELLS:
        raise UserError(
            f"`--file` may hold at most {MOST_CELLS:,} cells (rows times columns), but {path} has "
            f"{values.shape[0]:,} x {values.shape[1]:,}; give fewer lines."
        )
    return np.asarray(values.toarray(), np.float64), np.asarray(labels, np.float64)
