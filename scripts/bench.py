#!/usr/bin/env python
"""Benchmark the Assistant beside fairseq's own packing; ``make bench`` runs it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from fairseq.data import data_utils
from numpy.typing import NDArray

from autoassist_fairseq.errors import run_main
from autoassist_fairseq.tools import bench


def fairseq_packing(
    source: NDArray[np.int32], target: NDArray[np.int32]
) -> list[NDArray[np.int64]]:
    """Order and pack as ``LanguagePairDataset`` and ``FairseqTask`` do in 0.12.2."""
    indices = np.random.RandomState(1).permutation(len(source)).astype(np.int64)
    indices = indices[np.argsort(target[indices], kind="mergesort")]
    indices = indices[np.argsort(source[indices], kind="mergesort")]
    longest = np.maximum(source, target)[indices].astype(np.int64)
    batches: list[NDArray[np.int64]] = data_utils.batch_by_size(
        indices,
        num_tokens_fn=None,
        num_tokens_vec=longest,
        max_tokens=bench.BUDGET.max_tokens,
        required_batch_size_multiple=bench.BUDGET.multiple,
    )
    return batches


if __name__ == "__main__":
    run_main(lambda: bench.main(fairseq_packing))
