"""Faults in the middle of a run: it ends soon, says why in one sentence, and loses nothing."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from binarised import Binarised
from faulty import check_learned, digests, told, train, train_ranks
from training import Run, Server

from autoassist_fairseq.errors import UserError

pytestmark = pytest.mark.slow

FLAGS = ("--max-tokens", 100, "--max-epoch", 3, "--num-workers", 0)
SAVED = ("--save-interval-updates", 10)
PLANTED = "ZeroDivisionError: by nought, as planted"


def check_ended(run: Run, says: str) -> None:
    """Check that a run ended with one sentence."""
    assert run.status == 1, run.output
    assert "Traceback" not in run.output, run.output
    last = run.output.splitlines()[-1]
    assert run.output.count("autoassist: error: ") == 1
    # torch puts the rank before what an uncaught error prints
    assert re.match(rf"(\[rank\d\]: )?autoassist: error: .*{says}", last), last
    assert not list(run.save_dir.glob("*.tmp")) and "crash.pt" not in run.checkpoints()


def check_goes_on(run: Run, server: Server, data: Path, newest: str) -> None:
    """Check that a new command goes on from the last checkpoint, which is a copy of ``newest``."""
    saved = digests(run.save_dir)
    assert saved["checkpoint_last.pt"] == saved[newest]
    on = train(server, data, run.save_dir, *FLAGS)
    assert on.status == 0, on.output
    assert f"Loaded checkpoint {run.save_dir}/checkpoint_last.pt" in on.output
    assert not on.of("batch", 1) or on.of("batch", 1)[0]["place"][1] > 0


@pytest.mark.parametrize(("where", "after"), [("learn", 25), ("learn", 0), ("keep_probability", 0)])
def test_an_error_in_the_assistant_s_thread_ends_the_run(
    where: str, after: int, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    fault = {"where": where, "after": after}
    run = train(server, corpus.data, tmp_path, *FLAGS, *SAVED, assistant_fails=fault)
    assert time.time() - run.of("failed")[0]["time"] < 10
    check_ended(run, rf"the Assistant failed with {PLANTED} in train_faults.py:\d+; give the same")
    if after:
        check_goes_on(run, server, corpus.data, "checkpoint_1_20.pt")


def test_an_error_is_noticed_at_the_next_update(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    flags = ("--autoassist-window", corpus.pairs)  # so that no plan is asked for meanwhile
    fault = {"where": "learn", "after": 12}
    run = train(server, corpus.data, tmp_path, *FLAGS, *flags, assistant_fails=fault)
    check_ended(run, PLANTED)
    assert 12 < len(run.of("batch")) < 30


def test_an_error_in_one_rank_s_assistant_ends_every_rank(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    fault = {"rank": 1, "where": "learn", "after": 12}
    runs = train_ranks(server, corpus.data, tmp_path, 2, *FLAGS, *SAVED, assistant_fails=fault)
    assert time.time() - runs[1].of("failed")[0]["time"] < 10
    check_ended(runs[1], PLANTED)
    check_ended(runs[0], "another rank has ended")


@pytest.mark.parametrize(("where", "after"), [("learn", 25), ("keep_probability", 3)])
def test_without_the_assistant_a_run_goes_on_and_keeps_everything(
    where: str, after: int, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    fault = {"where": where, "after": after}
    flags = (*FLAGS, "--autoassist-on-error", "continue")
    run = train(server, corpus.data, tmp_path, *flags, assistant_fails=fault)
    assert run.status == 0 and "Traceback" not in run.output, run.output
    warned = [line for line in run.output.splitlines() if PLANTED in line]
    assert len(warned) == 1 and "| WARNING |" in warned[0]
    kept = [float(line["train_aa_keep"]) for line in run.logged("train")]
    assert kept[-1] == 1 and len(run.trained(3)) == corpus.pairs
    assert (kept[1] == 1) == (where == "learn"), "the pass in which it failed keeps its length"


@pytest.mark.parametrize("loading", ["0 0", "2 10"])
def test_a_starved_boss_queue_ends_the_run(
    loading: str, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    workers, buffered = loading.split()
    flags = ("--num-workers", workers, "--data-buffer-size", buffered, "--autoassist-timeout", 1)
    fault = {"after": 2, "seconds": 3}
    run = train(server, corpus.data, tmp_path, *FLAGS, *flags, slow_plans=fault)
    check_ended(
        run,
        r"rank 0 waited 1 s \(`--autoassist-timeout`\) for the BossQueue, which is empty; "
        r"AssistantQueue \d+, BossQueue 0, next window 2, losses learned up to update \d+",
    )


def test_a_train_file_that_goes_away_ends_the_run(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    data = shutil.copytree(corpus.data, tmp_path / "data")
    path = data / "train.de-en.de.bin"
    fault = {"at": [1, 14, 0], "path": str(path)}
    run = train(server, data, tmp_path / "save", *FLAGS, *SAVED, remove_file=fault)
    check_ended(run, f"`DATA` must stay as it is while training reads it, but {path} is gone; ")
    assert "checkpoint_1_10.pt" in run.checkpoints()


@pytest.mark.parametrize("how", ["touched", "replaced", "grown", "cut"])
def test_only_a_train_file_that_became_smaller_is_an_error(
    how: str, corpus: Binarised, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from fairseq.data.indexed_dataset import MMapIndexedDataset

    from autoassist_fairseq.plugin.corpus import FileGuard, _segments

    shutil.copytree(corpus.data, tmp_path, dirs_exist_ok=True)
    path, other = tmp_path / "train.de-en.de.bin", tmp_path / "other"
    guard = FileGuard(_segments(MMapIndexedDataset(str(path.with_suffix("")))))
    guard()
    assert not caplog.records
    content = path.read_bytes()
    other.write_bytes(content + b"more" * (how == "grown"))
    os.utime(path, (1, 1)) if how == "touched" else other.replace(path)
    if how == "cut":
        other.write_bytes(content[:-4])
        other.replace(path)
        with pytest.raises(UserError, match=f"{path} became smaller; put it back"):
            guard()
        return
    guard()
    guard()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_full_disk_leaves_the_checkpoints_before(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    fault = {"at": [1, 25, 0], "size": 100_000}
    run = train(server, corpus.data, tmp_path, *FLAGS, *SAVED, no_room=fault)
    check_ended(
        run,
        r"`--save-dir` must take a new checkpoint, but \S+/checkpoint_1_30.pt cannot be written "
        r"\(File too large\), so it stays as it was; make room, and give the same command again",
    )
    saved = {f"checkpoint_{name}.pt" for name in ("1_10", "1_20", "best", "last")}
    assert set(run.checkpoints()) == saved
    check_goes_on(run, server, corpus.data, "checkpoint_1_20.pt")


def test_faults_of_nobody_leave_a_run_alone(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    """The planting itself changes nothing: a run with faults that never come is sound."""
    faults: dict[str, Any] = {
        "remove_file": {"at": [9, 0, 0], "path": "none"},
        "assistant_fails": {"where": "learn", "after": 10**6},
        "slow_plans": {"after": 10**6, "seconds": 9},
    }
    run = train(server, corpus.data, tmp_path, *FLAGS, **faults)
    assert run.status == 0, run.output
    check_learned(run)
    assert not any(update.missing for update in told(run).values())


@pytest.mark.parametrize(("where", "after"), [("learn", 12), ("keep_probability", 1)])
def test_one_rank_cannot_go_on_without_its_assistant_while_the_other_has_one(
    where: str, after: int, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    fault = {"rank": 1, "where": where, "after": after}
    flags = (*FLAGS, *SAVED, "--autoassist-on-error", "continue")
    runs = train_ranks(server, corpus.data, tmp_path, 2, *flags, assistant_fails=fault)
    for run in runs:  # their plans differ in length, or in the pairs of an update: both must show
        check_ended(run, "(the ranks do not train on the same plan any more .pass 2|another rank)")
    assert PLANTED in runs[1].output and PLANTED not in runs[0].output
    assert any("the ranks do not train on the same plan" in run.output for run in runs)


def test_every_rank_goes_on_when_all_assistants_fail(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    fault = {"where": "learn", "after": 12}
    flags = (*FLAGS, "--autoassist-on-error", "continue")
    runs = train_ranks(server, corpus.data, tmp_path, 2, *flags, assistant_fails=fault)
    assert [run.status for run in runs] == [0, 0], runs[0].output
    both = runs[0].trained(3) + runs[1].trained(3)
    assert sorted(both) == list(range(corpus.pairs))
