"""Killed with SIGKILL anywhere and started again: the run is the one that was never stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from binarised import make_corpus
from checkpointed import state_in
from exactness import Setup, Trace, assert_resumes_exactly, last_save, trace
from kills import Kill, choose_kills
from training import Server

pytestmark = pytest.mark.slow

PAIRS, PASSES, INTERVAL = 560, 2, 8
SEED = 2026
# (ranks, update-freq, workers); the soak test runs all eight.
SETUPS = [(1, 1, 2), (2, 2, 0)]


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
    windows = [sum(key[0] == index for key in whole.plans) for index in (1, 2)]
    assert windows[0] == 4 and windows[1] >= 3
    assert len(whole.considered(2)) == PAIRS > 1.05 * sum(map(len, whole.pairs(2)))
    rng = np.random.default_rng([SEED, ranks, freq, workers])
    kills = choose_kills(unbroken, rng)
    broken = tmp_path / "broken"
    assert assert_resumes_exactly(server, setup, unbroken, kills, INTERVAL, broken) == len(kills)
    states = [state_in(broken / name)["pass"] for name in resumed_from(whole, kills)]
    assert max(len(state["live"]) for state in states if state) == 2, "a plan that waits"
    if ranks * freq == 4:
        left = (len(state["leftover"]["longest"]) for state in states if state)
        assert any(left), "batches left over"


def resumed_from(whole: Trace, kills: Sequence[Kill]) -> list[str]:
    """Return the checkpoints that each start after ``kills`` went on from."""
    saves = [last_save(whole, INTERVAL, kill.place) for kill in kills]
    begins = [whole.updates[saved] for saved in saves]
    return [
        f"checkpoint_{index}_{saved}.pt" if update else f"checkpoint{index - 1}.pt"
        for saved, (index, update) in zip(saves, begins, strict=True)
    ]
