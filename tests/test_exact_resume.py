"""Killed with SIGKILL anywhere and started again: the run is the one that was never stopped."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from binarised import make_corpus
from exactness import Setup, assert_resumes_exactly, choose_kills, trace
from training import Server

pytestmark = pytest.mark.slow

PAIRS, PASSES, INTERVAL = 650, 2, 8
SEED = 2026
SETUPS = [*itertools.product((1, 2), (1, 2), (0, 2))]


@pytest.fixture(scope="module")
def data(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough pairs for several windows, whose batches do not fill whole updates."""
    return make_corpus(server, tmp_path_factory.mktemp("resume"), PAIRS).data


@pytest.mark.parametrize(("ranks", "freq", "workers"), SETUPS)
def test_killed_and_resumed_equals_never_stopped(
    ranks: int, freq: int, workers: int, server: Server, data: Path, tmp_path: Path
) -> None:
    flags = (
        *("--batch-size", 8 // (ranks * freq), "--batch-size-valid", 40, "--max-epoch", PASSES),
        *("--num-workers", workers, "--save-interval-updates", INTERVAL),
    )
    setup = Setup(data, flags, ranks, (freq,))
    unbroken = setup.launch(server, tmp_path / "unbroken")
    assert [run.status for run in unbroken] == [0] * ranks, unbroken[0].output
    whole = trace(unbroken)
    assert [sum(key[0] == index for key in whole.plans) for index in (1, 2)] == [5, 3]
    assert len(whole.considered(2)) == PAIRS > 1.05 * sum(map(len, whole.pairs(2)))
    rng = np.random.default_rng([SEED, ranks, freq, workers])
    kills = choose_kills(unbroken, rng)
    states = assert_resumes_exactly(server, setup, unbroken, kills, INTERVAL, tmp_path / "broken")
    assert max(len(state["live"]) for state in states) == 2, "a plan that waits was resumed"
    if ranks * freq == 4:
        assert any(len(state["leftover"]["longest"]) for state in states), "and batches left over"
