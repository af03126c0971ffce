"""Every precision, and losses that are not numbers: what reaches the Assistant, and how often.

On a CPU fairseq's gradient scaler for `--amp` does nothing, so its overflow is planted; what only
a GPU can show is in scripts/check_gpu.py.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from binarised import Binarised
from faulty import check_learned, told, train
from training import Run, Server

pytestmark = pytest.mark.slow

FP16 = ("--fp16", "--fp16-no-flatten-grads")
PRECISIONS = {
    "fp32": (),
    "fp16": FP16,
    "memory-efficient-fp16": ("--memory-efficient-fp16",),
    "amp": ("--amp",),
    "bf16": ("--bf16",),
    "memory-efficient-bf16": ("--memory-efficient-bf16",),
}
# Any wait for losses that never come would end the run.
FLAGS = ("--max-tokens", 100, "--max-epoch", 2, "--autoassist-timeout", 10, "--num-workers", 0)
OVERFLOW = "gradient overflow detected"


def last_updates(run: Run) -> int:
    """Return the updates that fairseq counts at the end."""
    return int(float(run.logged("train")[-1]["train_num_updates"]))


def tries(run: Run) -> Counter[tuple[int, ...]]:
    """Return how often each micro-batch (pass, update, micro) was trained on."""
    return Counter(tuple(batch["place"]) for batch in run.of("batch") if not batch["dummy"])


@pytest.mark.parametrize("name", PRECISIONS)
def test_two_passes_in_every_precision(
    name: str, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    valid = ("--validate-interval-updates", 10)
    run = train(server, corpus.data, tmp_path, *FLAGS, *PRECISIONS[name], *valid)
    assert run.status == 0, run.output
    updates = told(run)
    check_learned(run)
    assert not any(update.missing for update in updates.values())
    assert len(run.of("validation")) > 4, "validation batches are told of nowhere"
    assert set(tries(run)) == {(*place, 0) for place in updates}
    assert len(run.trained(1)) == corpus.pairs > len(run.trained(2))
    assert OVERFLOW not in run.output and last_updates(run) == len(updates)


@pytest.mark.parametrize("name", ["fp16", "memory-efficient-fp16"])
def test_the_losses_of_an_overflowed_update_count_once(
    name: str, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    scale = ("--fp16-init-scale", 2**26)
    run = train(server, corpus.data, tmp_path, *FLAGS, *PRECISIONS[name], *scale)
    assert run.status == 0, run.output
    updates, overflows = told(run), run.output.count(OVERFLOW)
    check_learned(run)
    assert overflows > 3 and last_updates(run) == len(updates) - overflows
    assert not any(update.missing for update in updates.values())
    assert set(tries(run).values()) == {1}


@pytest.mark.parametrize(("name", "loss"), [("memory-efficient-fp16", "nan"), ("fp32", "inf")])
def test_a_loss_that_is_no_number_is_missing_and_its_neighbours_are_not(
    name: str, loss: str, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    spoilt = [17, 18, 340]
    fault = {"pairs": spoilt, "loss": loss}
    run = train(server, corpus.data, tmp_path, *FLAGS, *PRECISIONS[name], spoil=fault)
    assert run.status == 0, run.output
    updates = told(run)
    check_learned(run)
    hit = {place for place, update in updates.items() if set(update.pairs) & set(spoilt)}
    assert len(hit) >= 3
    for place, update in updates.items():
        assert update.missing == [pair for pair in update.pairs if pair in spoilt]
        assert len(update.pairs) > len(update.missing)
        assert (place in hit) == bool(update.missing)
    # A gradient that is no number costs fairseq the update.
    assert run.output.count(OVERFLOW) == (len(hit) if loss == "nan" else 0)


def test_fp32_that_diverges_ends_as_in_fairseq_and_tells_nothing_twice(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    fault = {"pairs": [340], "loss": "nan"}
    run = train(server, corpus.data, tmp_path, *FLAGS, spoil=fault)
    assert run.status == 1
    assert run.output.splitlines()[-1] == "FloatingPointError: gradients are Nan/Inf"
    assert "NaN detected in output of decoder" in run.output, "fairseq's own search for the cause"
    assert "crash.pt" in run.checkpoints()
    assert max(tries(run).values()) == 2, "fairseq runs the batch again to look for the cause"
    places = [tuple(entry["place"]) for entry in run.of("told")]
    assert len(set(places)) == len(places) < len(tries(run))


def test_amp_s_retries_count_once(server: Server, corpus: Binarised, tmp_path: Path) -> None:
    norms = {"calls": [5, 6, 7, 12]}  # as often as fairseq tries again, and once
    run = train(server, corpus.data, tmp_path, *FLAGS, "--amp", endless_norms=norms)
    assert run.status == 0, run.output
    updates = told(run)
    check_learned(run)
    assert Counter(tries(run).values()) == {1: len(updates) - 2, 2: 1, 3: 1}
    assert "AMP: skipping this batch." in run.output
    assert last_updates(run) == len(updates) - 1
    assert not any(update.missing for update in updates.values())


@pytest.mark.parametrize("forged", [False, True])
def test_dummy_batches_never_count(
    forged: bool, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    valid = ("--validate-interval-updates", 15)  # then the dummy is a batch of the valid split
    fault = {"every": 4, "forged": forged}
    run = train(server, corpus.data, tmp_path, *FLAGS, *valid, dummy_steps=fault)
    assert run.status == 0, run.output
    dummies = [batch for batch in run.of("batch") if batch["dummy"]]
    assert len(dummies) > 5
    if not forged:  # the first real batch serves, with its ticket; then one of the valid split
        assert dummies[0]["place"] == [1, 0, 0] and dummies[-1]["place"] == [None] * 3
    check_learned(run)
    assert set(tries(run)) == {(*place, 0) for place in told(run)}
    assert not any(update.missing for update in told(run).values())


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("micro", [0, 1])
def test_a_batch_that_runs_out_of_memory_is_forgotten(
    micro: int, backward: bool, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    fault = {"at": [1, 7, micro], "backward": backward}
    flags = (*FLAGS, "--update-freq", 2)
    run = train(server, corpus.data, tmp_path, *flags, out_of_memory=fault)
    assert run.status == 0, run.output
    assert "attempting to recover from OOM in forward/backward pass" in run.output
    updates = told(run)
    check_learned(run)
    lost = updates.pop((1, 7))
    assert lost.missing, "no loss of the batch that ran out of memory is known"
    if micro == 0:
        assert lost.missing == lost.pairs, "fairseq drops the whole update"
    assert not any(update.missing for update in updates.values()), "all others are learned"
    assert last_updates(run) == len(updates)
