"""Functions that round alike on all kinds of processors (docs/decisions/exact-numbers.md).

NumPy's float64 ``exp``, ``log``, powers and products of matrices do not: they depend on how many
numbers a processor takes at a time. Its sums, square roots and sorted values do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoassist_fairseq.assistant.compiling import compiled

Doubles = NDArray[np.float64]


def exp(values: NDArray[Any]) -> Doubles:
    """Return e to the power of ``values`` [P]."""
    out = np.empty(len(values))
    _exp(np.ascontiguousarray(values, np.float64), out)
    return out


def log(values: NDArray[Any]) -> Doubles:
    """Return the natural logarithm of ``values`` [P], which are 0 or more."""
    out = np.empty(len(values))
    _log(np.ascontiguousarray(values, np.float64), out)
    return out


def dot(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the sum of the products of ``first`` [P] and ``second`` [P]."""
    return float((first * second).sum(dtype=np.float64))


@compiled
def _exp(values: Doubles, out: Doubles) -> None:
    for i in range(len(values)):
        out[i] = math.exp(values[i])


@compiled
def _log(values: Doubles, out: Doubles) -> None:
    for i in range(len(values)):
        out[i] = math.log(values[i])
