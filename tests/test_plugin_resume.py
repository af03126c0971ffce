"""Runs that stop and go on: the losses are those of the run that was never stopped."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from binarised import Binarised
from training import TASK, Run, Server

pytestmark = pytest.mark.slow

EPOCHS = 3
FLAGS = ("--max-tokens", 50, "--update-freq", 2, "--max-epoch", EPOCHS)
SAVED = ("--save-interval-updates", 11)
CLOCKS = ("wps", "ups", "wall", "train_wall", "gb_free", "aa_wait")


def numbers(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return ``lines`` without what a clock says."""
    return [
        {key: value for key, value in line.items() if not key.endswith(CLOCKS)} for line in lines
    ]


@pytest.fixture(scope="module")
def unbroken(server: Server, corpus: Binarised, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = server.train(corpus.data, tmp_path_factory.mktemp("unbroken"), *FLAGS, *SAVED)
    assert run.status == 0, run.output
    assert len(run.trained(3)) < 0.95 * corpus.pairs
    return run


def same_from(update: int, whole: Run, resumed: Run) -> None:
    """Check that ``resumed`` does what ``whole`` did after ``update``, digit for digit."""
    assert resumed.status == 0, resumed.output
    batches = [(batch["ids"], batch["loss"]) for batch in whole.of("batch")]
    assert len(batches) > 2 * update + 10
    assert [(b["ids"], b["loss"]) for b in resumed.of("batch")] == batches[2 * update :]
    for tag in ("train_inner", "train", "valid"):
        lines = numbers(resumed.logged(tag))
        assert lines and lines == numbers(whole.logged(tag))[-len(lines) :]


def updates_by_epoch(run: Run) -> list[int]:
    """Return the updates done at the end of each epoch."""
    counts = [len(run.of("batch", epoch)) // 2 for epoch in range(1, EPOCHS + 1)]
    return list(itertools.accumulate(counts))


@pytest.mark.parametrize("loading", ["--num-workers 0", "--num-workers 2 --data-buffer-size 0"])
@pytest.mark.parametrize("where", ["in the first pass", "in the last", "between passes"])
def test_stop_and_go_on_equals_never_stopped(
    where: str, loading: str, server: Server, corpus: Binarised, unbroken: Run, tmp_path: Path
) -> None:
    ends = updates_by_epoch(unbroken)
    update, name = {
        "in the first pass": (11, "checkpoint_1_11.pt"),
        "in the last": ((ends[1] // 11 + 1) * 11, f"checkpoint_3_{(ends[1] // 11 + 1) * 11}.pt"),
        "between passes": (ends[0], "checkpoint1.pt"),
    }[where]
    restored = ("--restore-file", unbroken.save_dir / name)
    flags = (*FLAGS, *SAVED, *loading.split(), *restored)
    same_from(update, unbroken, server.train(corpus.data, tmp_path, *flags))


def test_max_update_in_a_pass_stops_it_and_the_same_command_goes_on(
    server: Server, corpus: Binarised, unbroken: Run, tmp_path: Path
) -> None:
    stop = updates_by_epoch(unbroken)[0] + 7
    first = server.train(corpus.data, tmp_path, *FLAGS, *SAVED, "--max-update", stop)
    assert first.status == 0 and first.losses == unbroken.losses[: 2 * stop]
    assert "checkpoint_last.pt" in first.checkpoints()
    same_from(stop, unbroken, server.train(corpus.data, tmp_path, *FLAGS, *SAVED))


def test_a_run_of_other_defaults_goes_on_and_is_told_what_they_were(
    server: Server, corpus: Binarised, unbroken: Run, tmp_path: Path
) -> None:
    """In the middle of a pass that shrank: it ends as promised, the next one keeps every pair."""
    update = (updates_by_epoch(unbroken)[1] // 11 + 1) * 11
    restored = ("--restore-file", unbroken.save_dir / f"checkpoint_3_{update}.pt")
    run = server.train(corpus.data, tmp_path, *TASK, *FLAGS, *restored, "--max-epoch", 4)
    assert run.status == 0, run.output
    for told in (
        "--autoassist-policy changed from shrink to uniform on resume",
        "--autoassist-hopeless changed from off to cut on resume",
        "to go on as before, give `--autoassist-policy shrink --autoassist-hopeless off`",
    ):
        assert run.output.count(f"autoassist: {told}\n") == 1
    left = len(unbroken.of("batch", 3)) - 2 * (update - updates_by_epoch(unbroken)[1])
    assert len(run.of("batch", 3)) == left
    assert sorted(run.trained(4)) == list(range(corpus.pairs))


def test_reset_dataloader_begins_with_a_fresh_assistant(
    server: Server, corpus: Binarised, unbroken: Run, tmp_path: Path
) -> None:
    restored = ("--restore-file", unbroken.save_dir / "checkpoint2.pt", "--reset-dataloader")
    run = server.train(corpus.data, tmp_path, *FLAGS, *restored)
    assert run.status == 0, run.output
    assert [len(run.trained(epoch)) == corpus.pairs for epoch in (1, 2, 3)] == [True, False, False]
    assert run.logged("train_inner")[0]["num_updates"] == str(updates_by_epoch(unbroken)[1] + 1)


def test_a_stock_checkpoint_goes_on_with_a_fresh_assistant(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    stock = ("--task", "translation", "--max-tokens", 100, "--max-epoch", 1)
    server.train(corpus.data, tmp_path, *stock)
    run = server.train(corpus.data, tmp_path, "--max-tokens", 100, "--max-epoch", 2)
    assert run.status == 0, run.output
    assert "this checkpoint holds no Assistant" in run.output
    assert sorted(run.considered(2)) == list(range(corpus.pairs)) and not run.of("batch", 1)


def test_our_checkpoint_goes_on_in_stock_translation(
    server: Server, corpus: Binarised, unbroken: Run, tmp_path: Path
) -> None:
    restored = ("--restore-file", unbroken.save_dir / "checkpoint2.pt")
    run = server.train(corpus.data, tmp_path, "--task", "translation", *FLAGS, *restored)
    assert run.status == 0, run.output
    assert sorted(run.trained(3)) == list(range(corpus.pairs))


def test_patience_ends_a_run(server: Server, corpus: Binarised, tmp_path: Path) -> None:
    # Nothing is learned: the first epoch stays the best.
    wanted = ("--patience", 1, "--lr", 0)
    run = server.train(corpus.data, tmp_path, "--max-tokens", 150, "--max-epoch", 9, *wanted)
    assert run.status == 0, run.output
    assert "early stop since valid performance" in run.output
    assert len(run.of("epoch")) == 2 and "checkpoint2.pt" in run.checkpoints()


def test_too_few_pairs_for_an_update_of_the_new_size_end_the_pass(
    server: Server, few: Binarised, tmp_path: Path
) -> None:
    flags = ("--batch-size", 8, "--num-workers", 0, "--no-epoch-checkpoints")
    first = server.train(few.data, tmp_path, *flags, "--max-update", 24)
    assert first.status == 0 and few.pairs - len(first.trained(1)) == 8, first.output
    then = server.train(few.data, tmp_path, *flags, "--update-freq", 16, "--max-epoch", 2)
    assert then.status == 0, then.output
    assert "fewer pairs of epoch 1 are left than one update has batches (16 = ranks" in then.output
    assert then.of("batch", 1) == [] and then.of("batch", 2)
    assert sorted(then.considered(2)) == list(range(few.pairs))
    again = server.train(few.data, tmp_path / "other", *flags, "--update-freq", 16,
        "--max-epoch", 1, "--restore-file", tmp_path / "checkpoint_last.pt")  # fmt: skip
    assert again.status == 0 and not again.of("batch"), again.output


@pytest.mark.parametrize(
    ("saved", "given"), [((), ("--reset-optimizer",)), (("--no-save-optimizer-state",), ())]
)
def test_a_run_that_counts_anew_goes_by_its_own_progress_at_once(
    saved: tuple[str, ...], given: tuple[str, ...], server: Server, few: Binarised, tmp_path: Path
) -> None:
    flags = ("--autoassist-policy", "self-paced", "--max-tokens", 50, "--num-workers", 0, *saved)
    first = server.train(few.data, tmp_path / "first", *flags, "--max-epoch", 2, "--max-update", 99)
    assert first.status == 0, first.output
    done = len(first.of("batch"))
    last = tmp_path / "first" / "checkpoint_last.pt"
    then = server.train(few.data, tmp_path / "then", *flags, "--restore-file", last,
        *given, "--reset-lr-scheduler", "--max-update", done)  # fmt: skip
    assert then.status == 0, then.output
    # Of the updates that are to come none is done: not all pairs are open yet, as at the end.
    assert len(then.trained(3)) < 0.8 * few.pairs
