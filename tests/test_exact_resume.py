"""Killed with SIGKILL anywhere and started again: the run is the one that was never stopped."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from binarised import Binarised
from exactness import Setup, assert_resumes_exactly, choose_kills, trace
from training import Server

pytestmark = pytest.mark.slow

INTERVAL = 7
SEED = 2026
SETUPS = [*itertools.product((1, 2), (1, 2), (0, 2))]


@pytest.mark.parametrize(("ranks", "freq", "workers"), SETUPS)
def test_killed_and_resumed_equals_never_stopped(
    ranks: int, freq: int, workers: int, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    flags = (
        *("--batch-size", 8 // (ranks * freq), "--batch-size-valid", 40, "--max-epoch", 3),
        *("--num-workers", workers, "--save-interval-updates", INTERVAL),
    )
    setup = Setup(corpus.data, flags, ranks, (freq,))
    unbroken = setup.launch(server, tmp_path / "unbroken")
    assert [run.status for run in unbroken] == [0] * ranks, unbroken[0].output
    whole = trace(unbroken)
    assert len({key[1] for key in whole.plans if key[0] == 1}) >= 3, "several windows"
    assert len(whole.considered(3)) == corpus.pairs > 1.05 * sum(map(len, whole.pairs(3)))
    rng = np.random.default_rng([SEED, ranks, freq, workers])
    kills = [*choose_kills(unbroken, rng).values()]
    assert_resumes_exactly(server, setup, unbroken, kills, INTERVAL, tmp_path / "broken")
