"""Go on in the middle of a pass with other ranks, update-freq or batch size: no pair is lost."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from binarised import Binarised
from checkpointed import state_in
from exactness import Setup, Trace, assert_resumes_exactly, trace
from kills import choose_kills
from training import Run, Server

pytestmark = pytest.mark.slow

INTERVAL = 7
COMMON: tuple[object, ...] = (
    *("--batch-size-valid", 40, "--num-workers", 0, "--save-interval-updates", INTERVAL),
)
BEFORE: tuple[object, ...] = ("--batch-size", 2, "--max-tokens", 40)


@dataclass(frozen=True)
class Whole:
    """A run that others go on from, on 2 ranks with 2 micro-batches per update."""

    runs: Sequence[Run]
    trace: Trace

    def checkpoint(self, index: int) -> tuple[Path, int]:
        """Return a checkpoint within pass ``index`` while plans wait, and the updates done."""
        updates = self.trace.updates
        first = updates.index((index, 0))
        length = sum(update[0] == index for update in updates)
        done = (first + length // 4) // INTERVAL * INTERVAL
        return self.runs[0].save_dir / f"checkpoint_{index}_{done}.pt", done - first


@pytest.fixture(scope="module")
def whole(server: Server, corpus: Binarised, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    flags = (*COMMON, *BEFORE, "--max-epoch", 2)
    folder = tmp_path_factory.mktemp("before")
    runs = Setup(corpus.data, flags, 2, (2,)).launch(server, folder)
    assert [run.status for run in runs] == [0, 0], runs[0].output
    return Whole(runs, trace(runs))


# ranks, update-freq, and what one batch may hold.
AFTER = {
    "four ranks": (4, (2,), BEFORE),
    "other update-freq": (2, (3,), BEFORE),
    "one rank, same updates": (1, (4,), BEFORE),
    "smaller batches": (2, (2,), ("--max-tokens", 18)),
    "everything": (1, (3,), ("--max-tokens", 64, "--required-batch-size-multiple", 4)),
}


@pytest.mark.parametrize(
    ("after", "index"),
    [*((name, 1) for name in AFTER), ("everything", 2)],
)
def test_every_pair_is_still_considered_once(
    after: str, index: int, whole: Whole, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    ranks, freq, batches = AFTER[after]
    checkpoint, done = whole.checkpoint(index)
    flags = (*COMMON, *batches, "--max-epoch", index, "--restore-file", checkpoint)
    runs = Setup(corpus.data, flags, ranks, freq).launch(server, tmp_path)
    assert [run.status for run in runs] == [0] * ranks, runs[0].output
    rest = trace(runs)
    assert {key[0] for key in rest.batches} == {index} and rest.updates[0] == (index, done)

    state = state_in(checkpoint)["pass"]
    windows = state["next_window"]
    assert len(state["live"]) == 2 and (index > 1 or len(state["leftover"]["longest"]))
    before = [whole.trace.plans[index, window]["pairs"] for window in range(windows)]
    later = [plan["pairs"] for key, plan in sorted(rest.plans.items())]
    assert sorted(sum([*before, *later], [])) == list(range(corpus.pairs))

    trained = sum([*whole.trace.pairs(index)[:done], *rest.pairs(index)], [])
    assert len(set(trained)) == len(trained), "no pair is trained on twice"
    if index == 1:
        assert len(trained) == corpus.pairs, "none is lost"
    else:
        assert corpus.pairs / 2 < len(trained) < 0.97 * corpus.pairs
    group = ranks * freq[0]
    assert len(rest.batches) == group * len(rest.pairs(index)), "whole updates only"
    if after == "one rank, same updates":
        assert rest.pairs(index)[0] == whole.trace.pairs(index)[done], "the plan itself goes on"


def test_a_run_that_was_spread_anew_resumes_exactly(
    whole: Whole, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    checkpoint, done = whole.checkpoint(1)
    assert done % INTERVAL == 0, "saves of what follows are counted from here"
    for folder in ("unbroken", "broken"):
        (tmp_path / folder).mkdir()
        shutil.copy(checkpoint, tmp_path / folder / "checkpoint_last.pt")
    flags = (*COMMON, "--max-tokens", 64, "--max-epoch", 3)
    setup = Setup(corpus.data, flags, 1, (3,))
    unbroken = setup.launch(server, tmp_path / "unbroken")
    assert unbroken[0].status == 0 and trace(unbroken).updates[0] == (1, done)
    kills = choose_kills(unbroken, np.random.default_rng(7))
    assert_resumes_exactly(server, setup, unbroken, kills, INTERVAL, tmp_path / "broken")
