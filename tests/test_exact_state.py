"""The state in a checkpoint: plain, small, and loaded only where it fits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from binarised import Binarised, binarise, make_corpus, write_split
from checkpointed import State, leaves, load, state_in, stored, with_changed_state
from faulty import digests
from training import Run, Server

FORMAT = 4
pytestmark = pytest.mark.slow

FLAGS: tuple[object, ...] = ("--batch-size", 4, "--batch-size-valid", 40, "--num-workers", 0)
SAVED = ("--save-interval-updates", 20, "--max-update", 130)
MIDDLE = "checkpoint_1_20.pt"
SHORT = ("--max-update", 25, "--no-save")
# The histogram of losses, the dense features, options, digests, and what torch.save adds.
CONSTANT = 16_000


@pytest.fixture(scope="module")
def run(server: Server, corpus: Binarised, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Saved within two passes and between them."""
    run = server.train(corpus.data, tmp_path_factory.mktemp("state") / "save", *FLAGS, *SAVED)
    assert run.status == 0 and {MIDDLE, "checkpoint1.pt"} <= set(run.checkpoints()), run.output
    return run


def test_the_state_is_plain_and_loads_as_weights_only(run: Run) -> None:
    for path in run.save_dir.glob("*.pt"):
        state = state_in(path)
        types = {type(leaf) for leaf in leaves(state)}
        assert types <= {str, int, float, bool, type(None), torch.Tensor}
        (file := run.save_dir.parent / "state").write_bytes(stored(state))
        again = torch.load(file, weights_only=True)
        assert stored(again) == stored(state)
        assert state["format"] == FORMAT
        assert state["fits"].keys() == {"training set", "source dictionary", "target dictionary"}
    assert state_in(run.save_dir / MIDDLE)["pass"]["learned"] == 20
    assert state_in(run.save_dir / "checkpoint1.pt")["pass"] is None


@pytest.mark.parametrize(
    ("pairs", "words", "batch", "freq", "constant"),
    [
        (20_000, 3_000, 16, 1, 0),
        (6_000, 9_000, 1, 1, 0),
        # The worst case: one window holds the whole pass, in batches of one pair.
        (2_000, 1_000, 1, 80, CONSTANT),
    ],
)
def test_the_state_is_small(
    pairs: int,
    words: int,
    batch: int,
    freq: int,
    constant: int,
    server: Server,
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(pairs)
    for split, size in (("train", pairs), ("valid", 10)):
        source, target = (
            [" ".join(f"w{word}" for word in line) for line in rng.integers(0, words, (size, 2))]
            for _ in range(2)
        )
        write_split(tmp_path / "text", split, [source, target])
    binarise(server, tmp_path / "text", tmp_path / "data")
    sizes = [
        len((tmp_path / "data" / f"dict.{side}.txt").read_text().splitlines()) + 4
        for side in ("de", "en")
    ]
    assert min(sizes) > 0.6 * words
    flags = ("--batch-size", batch, "--update-freq", freq, "--disable-validation")
    stop = ("--save-interval-updates", 3, "--max-update", 3)
    run = server.train(tmp_path / "data", tmp_path / "save", *flags, *stop)
    assert run.status == 0, run.output
    state = state_in(run.save_dir / "checkpoint_1_3.pt")
    assert state["pass"]["learned"] == 3, "in the middle of a pass"
    assert len(state["pass"]["quotas"]) == (1 if freq > 1 else 8)
    size, allowed = len(stored(state)), 16 * pairs + 16 * sum(sizes)
    print(f"| {pairs:,} | {sum(sizes):,} | {batch} | {size:,} | {allowed:,} |")
    assert size <= allowed + constant


def refused(server: Server, data: Path, folder: Path, named: str, *flags: object) -> None:
    """Check that the last checkpoint in ``folder`` is refused, kept, and left by the flag."""
    before = digests(folder)
    run = server.train(data, folder, *FLAGS, *SHORT, *flags)
    assert run.status == 1 and "Traceback" not in run.output, run.output
    errors = [line for line in run.output.splitlines() if line.startswith("autoassist: error: ")]
    assert len(errors) == 1 and named in errors[0] and "`--reset-dataloader" in errors[0], errors
    assert not run.of("batch") and digests(folder) == before
    on = server.train(data, folder, *FLAGS, *SHORT, *flags, "--reset-dataloader")
    assert on.status == 0 and len(on.of("batch", 1)) == 5, on.output
    assert digests(folder) == before


def drop(*names: str) -> Callable[[State], object]:
    """Return a change that leaves out one entry."""

    def change(state: Any) -> None:
        for name in names[:-1]:
            state = state[name]
        del state[names[-1]]

    return change


def flip_a_bit(state: State) -> None:
    state["assistant"]["model"]["source"].view(torch.int32)[7] ^= 1 << 20


def cut(state: State) -> None:
    pairs = state["pass"]["live"][0]["batches"]
    pairs["pairs"] = pairs["pairs"][:-9].clone()


CHANGES: dict[str, tuple[Callable[[State], object], str]] = {
    "a future format": (lambda s: s.update(format=FORMAT + 1), f"holds one of format {FORMAT + 1}"),
    "no digests": (drop("fits"), "damaged"),
    "other digests": (lambda s: s.update(fits=None), "damaged"),
    "no pass": (drop("pass"), "damaged"),
    "one bit": (flip_a_bit, "damaged (ValueError: its checksum does not fit)"),
    "a plan cut short": (cut, "damaged"),
    "a number as text": (lambda s: s["pass"].update(learned="20"), "damaged"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_damaged_or_future_state_is_refused(
    name: str, run: Run, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    change, named = CHANGES[name]
    folder = with_changed_state(run.save_dir / MIDDLE, tmp_path, change)
    refused(server, corpus.data, folder, named)


def other_dictionary(data: Path, folder: Path, side: str) -> Path:
    """Copy binarised data, two words of one dictionary exchanged."""
    copied = shutil.copytree(data, folder)
    path = copied / f"dict.{side}.txt"
    first, second, *rest = path.read_text().splitlines()
    path.write_text("\n".join([second, first, *rest, ""]))
    return copied


def test_another_corpus_is_refused(
    run: Run, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    last = with_changed_state(run.save_dir / MIDDLE, tmp_path / "save", lambda state: None)
    other = make_corpus(server, tmp_path / "text", 400, seed=9, dictionaries=corpus.data)
    refused(server, other.data, last, "but its training set differs from `DATA`")
    # Fewer pairs fit the model: the same files, another training set.
    limits = ("--max-target-positions", 12, "--skip-invalid-size-inputs-valid-test")
    refused(server, corpus.data, last, "but its training set differs", *limits)


@pytest.mark.parametrize(("side", "named"), [("de", "source"), ("en", "target")])
def test_another_dictionary_is_refused(
    side: str, named: str, run: Run, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    last = with_changed_state(run.save_dir / MIDDLE, tmp_path / "save", lambda state: None)
    other = other_dictionary(corpus.data, tmp_path / "data", side)
    refused(server, other, last, f"but its {named} dictionary differs from `DATA`")


def test_stock_and_planned_runs_go_on_with_each_other_s_checkpoints(
    run: Run, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    stock = ("--task", "translation")
    for name, epoch in ((MIDDLE, 1), ("checkpoint1.pt", 2)):
        restored = ("--restore-file", run.save_dir / name, "--save-interval-updates", 40)
        there = server.train(
            corpus.data, tmp_path / name, *FLAGS, *stock, *restored, "--max-update", 160
        )
        assert there.status == 0 and there.of("epoch")[0]["epoch"] == epoch, there.output
        updates = load(run.save_dir / name)["last_optimizer_state"]["state"][0]["step"]
        assert int(there.logged("train_inner")[0]["num_updates"]) == int(updates) + 1
        # And back, from the middle of a stock epoch.
        back = server.train(corpus.data, tmp_path / name, *FLAGS, "--max-update", 190)
        assert back.status == 0, back.output
        assert "this checkpoint holds no Assistant; it starts fresh" in back.output
        assert back.logged("train_inner")[0]["num_updates"] == "161"
        last = load(tmp_path / name / "checkpoint_last.pt")["extra_state"]["train_iterator"]
        assert last["autoassist"]["started"] == 160


def test_stock_batches_begin_a_planned_epoch_at_its_first(
    run: Run, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    """A place in the plan is none among fairseq's batches: pairs came twice, or never."""
    restored = ("--restore-file", run.save_dir / MIDDLE, "--max-epoch", 1, "--no-save")
    there = server.train(corpus.data, tmp_path, *FLAGS, "--autoassist-policy", "off", *restored)
    assert there.status == 0, there.output
    assert sorted(there.trained(1)) == list(range(corpus.pairs))
    before = "--autoassist-policy shrink --autoassist-hopeless off"
    assert f"to go on as before, give `{before}" in there.output


def test_options_may_change_and_the_log_says_so(
    run: Run, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    changes = {
        "--autoassist-warmup-passes": ("1.0", "3.0"),
        "--autoassist-base-prob": ("0.5", "0.25"),
        "--autoassist-window": ("0", "120"),
        "--autoassist-features": ("('length', 'frequency', 'tokens')", "('tokens',)"),
        "--autoassist-lr": ("1.0", "0.5"),
        "--autoassist-timeout": ("300.0", "100.0"),
        "--autoassist-on-error": ("stop", "continue"),
        "--seed": ("3", "4"),
    }
    flags = [text for name, (_, now) in changes.items() for text in (name, now.strip("(',)"))]
    restored = ("--restore-file", run.save_dir / MIDDLE, "--max-epoch", 4, "--no-save")
    again = server.train(corpus.data, tmp_path, *FLAGS, *flags, *restored)
    assert again.status == 0, again.output
    told = [line for line in again.output.splitlines() if "on resume" in line]
    assert len(told) == len(changes)
    for name, (before, now) in changes.items():
        assert f"{name} changed from {before} to {now} on resume" in "".join(told)
    sizes = [len(again.trained(epoch)) for epoch in (2, 3, 4)]
    assert sizes[:2] == [400, 400] and sizes[2] < 380, "three passes keep everything now"
    same = server.train(corpus.data, tmp_path, *FLAGS, *restored[:2], *SHORT)
    assert same.status == 0 and "on resume" not in same.output
