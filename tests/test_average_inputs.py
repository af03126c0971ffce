"""Averaging what cannot be averaged: one sentence, no code run, no file half written."""

from __future__ import annotations

import decimal
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import checkpoint, run, run_folder, save

from autoassist_fairseq.errors import UserError

pytestmark = pytest.mark.slow  # loads PyTorch


class Attack:
    """Creates a file when it is unpickled without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    state = checkpoint({"w": torch.ones(1)})
    state["extra_state"]["surprise"] = Attack(tmp_path / "ran")
    torch.save(state, tmp_path / "evil.pt")
    with pytest.raises(
        UserError,
        match=r"holds `posix.mkdir`, which could run .*set TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1",
    ):
        run(tmp_path, str(tmp_path / "evil.pt"))
    assert not (tmp_path / "ran").exists()


def test_a_trusted_checkpoint_is_read_as_fairseq_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = checkpoint({"w": torch.tensor([2.0])})
    state["extra_state"]["old"] = decimal.Decimal(1)
    torch.save(state, tmp_path / "old.pt")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    assert run(tmp_path, str(tmp_path / "old.pt"))["model"]["w"].item() == 2.0


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "cut":
        data = data[: len(data) // 2]
    elif how == "flipped":  # one bit of a parameter, which torch.load alone does not notice
        data[data.index(np.float32(1.25).tobytes() * 50) + 8] ^= 1
    elif how == "text":
        data = bytearray(b"not a checkpoint\n")
    else:
        data = bytearray()
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["cut", "flipped", "text", "empty"])
def test_a_damaged_file(tmp_path: Path, how: str) -> None:
    good = save(tmp_path / "good.pt", {"w": torch.full((50,), 1.25)})
    bad = save(tmp_path / "bad.pt", {"w": torch.full((50,), 1.25)})
    damage(Path(bad), how)
    with pytest.raises(UserError, match=r"`--inputs`: .*bad.pt` must be a whole checkpoint"):
        run(tmp_path, good, bad)


@pytest.mark.parametrize("state", [{"weights": {}}, {"model": {}}, {"model": {"w": 1}}, [1]])
def test_not_from_fairseq(tmp_path: Path, state: object) -> None:
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(UserError, match="must be a fairseq checkpoint"):
        run(tmp_path, str(tmp_path / "other.pt"))


def test_the_old_torch_format_still_loads(tmp_path: Path) -> None:
    state = checkpoint({"w": torch.tensor([2.0])})
    torch.save(state, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert run(tmp_path, str(tmp_path / "old.pt"))["model"]["w"].item() == 2.0


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save(tmp_path / "a.pt", {"w": torch.ones(1)})
    (tmp_path / "out.pt").write_bytes(b"precious")

    def full_disk(state: object, part: str) -> None:
        Path(part).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(UserError, match=r"out.pt could not be written \(.*No space left"):
        run(tmp_path, source)
    assert (tmp_path / "out.pt").read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pt", "out.pt"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["DIR"], "is a folder: say how many"),
        (["DIR", "DIR", "--num-epoch-checkpoints", "2"], "needs one existing folder"),
        (["DIR/nothing", "--num-epoch-checkpoints", "2"], "needs one existing folder"),
        (["DIR/nothing.pt"], "`--inputs` must .* there, but .*nothing.pt is not"),
        (["DIR/checkpoint1.pt", "DIR/a.pt", "DIR/b.pt"], "but .*a.pt, .*b.pt are not"),
        (["DIR", "--num-epoch-checkpoints", "0"], "must be at least 1, but is 0"),
        (["DIR", "--num-epoch-checkpoints", "5"], "holds, 4"),
        (["DIR", "--num-best-checkpoints", "5"], "the 4 distinct checkpoints"),
        (["DIR/checkpoint1.pt", "--checkpoint-upper-bound", "3"], "needs `--num-epoch"),
        (["DIR", "--num-best-checkpoints", "1", "--checkpoint-upper-bound", "3"], "needs `--num"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: list[str], said: str) -> None:
    folder = run_folder(tmp_path)
    with pytest.raises(UserError, match=said):
        run(tmp_path, *(word.replace("DIR", str(folder)) for word in options))
    assert not (tmp_path / "out.pt").exists()


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    path = save(tmp_path / "out.pt", {"w": torch.ones(1)})
    before = Path(path).read_bytes()
    with pytest.raises(UserError, match="must not be one of the inputs"):
        run(tmp_path, path)
    assert Path(path).read_bytes() == before
