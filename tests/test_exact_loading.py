"""However batches are loaded, and with another ``--update-freq`` in each epoch: one plan, kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from binarised import Binarised, make_corpus
from exactness import Setup, Trace, differences, missing, trace
from training import Server

pytestmark = pytest.mark.slow

PAIRS, MAX_TOKENS, MULTIPLE = 1200, 128, 8
FREQ = (1, 2, 4)
LOADING = [(2, 0), (2, 10)]
FLAGS: tuple[object, ...] = (
    *("--max-tokens", MAX_TOKENS, "--required-batch-size-multiple", MULTIPLE),
    *("--max-epoch", len(FREQ), "--batch-size-valid", 40, "--no-save"),
)


@pytest.fixture(scope="module")
def data(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Binarised:
    return make_corpus(server, tmp_path_factory.mktemp("loading"), PAIRS, seed=5)


def loaded(
    server: Server,
    data: Binarised,
    folder: Path,
    workers: int,
    buffered: int,
    ranks: int = 1,
    freq: tuple[int, ...] = FREQ,
    **probe: str,
) -> Trace:
    flags = (*FLAGS, "--num-workers", workers, "--data-buffer-size", buffered)
    runs = Setup(data.data, flags, ranks, freq, dict(probe)).launch(server, folder)
    assert [run.status for run in runs] == [0] * ranks, runs[0].output
    return trace(runs)


@pytest.fixture(scope="module")
def plain(server: Server, data: Binarised, tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return loaded(server, data, tmp_path_factory.mktemp("plain"), 0, 0)


@pytest.mark.parametrize(("workers", "buffered"), LOADING)
def test_loading_changes_nothing(
    workers: int, buffered: int, plain: Trace, server: Server, data: Binarised, tmp_path: Path
) -> None:
    other = loaded(server, data, tmp_path, workers, buffered)
    assert not differences(other, plain)[:3] and not missing([other], plain)[:3]
    assert len(plain.lines) > 150 and len(plain.learned) == len(plain.updates) - 1 > 150


def test_two_ranks_keep_the_schedule_too(server: Server, data: Binarised, tmp_path: Path) -> None:
    one = loaded(server, data, tmp_path / "one", 2, 10, 1, (2, 2, 4), boss="fixed")
    two = loaded(server, data, tmp_path / "two", 0, 0, 2, (1, 1, 2), boss="fixed")
    for index in (1, 2, 3):
        assert one.pairs(index) == two.pairs(index)
    assert not differences(two, one, only=("plans", "learned"))[:3]


def test_what_a_pass_promises_is_kept(plain: Trace) -> None:
    for index, freq in enumerate(FREQ, 1):
        assert sorted(plain.considered(index)) == list(range(PAIRS))
        trained = [pair for update in plain.pairs(index) for pair in update]
        kept = sum(plan["kept"] for key, plan in plain.plans.items() if key[0] == index)
        assert len(set(trained)) == len(trained) == kept
        assert (kept == PAIRS) if index == 1 else (PAIRS / 2 < kept < 0.95 * PAIRS)
        batches = [batch for key, batch in plain.batches.items() if key[0] == index]
        assert len(batches) == freq * len(plain.pairs(index)), "whole updates only"
        windows = sum(key[0] == index for key in plain.plans)
        assert windows >= (6, 2, 1)[index - 1]
        odd = 0
        for batch in batches:
            rows, longest = len(batch["ids"]), max(batch["source"][1], batch["target"][1])
            assert rows * longest <= MAX_TOKENS
            odd += rows % MULTIPLE != 0
        # The last batch of a window holds the rest; the last update is filled by splitting.
        assert odd <= windows + 2 * freq
