"""How the corrected fairseq reads, fits, writes and copies checkpoints when something is wrong."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import pytest
import torch

from autoassist_fairseq.tools.install.checkpoints import (
    CheckpointError,
    clear_errors,
    copy_whole,
    safe_load,
    save_whole,
)
from autoassist_fairseq.tools.install.compat import on_backward

pytestmark = pytest.mark.slow  # loads PyTorch

CHECKPOINT: dict[str, Any] = {"model": {"w": torch.arange(50_000.0)}, "extra_state": {"epoch": 3}}


class Files:
    """What fairseq's PathManager does with local files; the disk takes ``room`` bytes."""

    def __init__(self, room: int = 10**9) -> None:
        self.room = room

    def supports_rename(self, path: str) -> bool:
        return True

    def open(self, path: str, mode: str) -> IO[bytes]:
        return cast("IO[bytes]", Tight(path, self.room))

    def copy(self, source: str, target: str, overwrite: bool) -> bool:
        with open(source, "rb") as old, self.open(target, "wb") as new:
            shutil.copyfileobj(old, new, 10_000)
        return True

    def rm(self, path: str) -> None:
        os.remove(path)


class Tight:
    """A file on a disk that gets full."""

    def __init__(self, path: str, room: int) -> None:
        self._file, self._room = open(path, "wb"), room  # noqa: SIM115

    def write(self, data: Any) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def __enter__(self) -> Tight:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def load(path: Path) -> Any:
    with path.open("rb") as file:
        return safe_load(file, map_location="cpu")


def damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    path.write_bytes(
        {
            "empty": b"",
            "text": b"checkpoint\n" * 9,
            "cut short": whole[:middle],
            "cut at the end": whole[:-1],
            "one bit": flipped,
            "zeros": bytes(len(whole)),
            "no torch file": whole[:30] + b"data.pkl" + whole[30:],
        }[how]
    )


@pytest.mark.parametrize(
    "how", ["empty", "text", "cut short", "cut at the end", "one bit", "zeros", "no torch file"]
)
def test_a_damaged_file_is_named(how: str, tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_whole(CHECKPOINT, str(path), Files())
    assert torch.equal(load(path)["model"]["w"], CHECKPOINT["model"]["w"])
    damage(path, how)
    with pytest.raises(CheckpointError, match="c.pt` must be a whole checkpoint, but .*other one"):
        load(path)


class Counting(io.FileIO):
    """A file that counts what is read of it."""

    count = 0

    def readinto(self, buffer: Any) -> int:
        found = super().readinto(buffer) or 0
        self.count += found
        return found

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size) or b""
        self.count += len(data)
        return data


def test_a_checkpoint_is_read_once(tmp_path: Path) -> None:
    state: dict[str, Any] = {
        "big": torch.arange(1_000_000.0),
        "other": torch.ones(500_000),
        "n": [1, 2],
    }
    torch.save(state, tmp_path / "c.pt")
    with Counting(tmp_path / "c.pt") as file:
        loaded = safe_load(file, map_location="cpu")
    assert torch.equal(loaded["big"], state["big"]) and loaded["n"] == [1, 2]
    assert file.count < 1.1 * (tmp_path / "c.pt").stat().st_size
    whole = (tmp_path / "c.pt").read_bytes()
    at = whole.index(state["big"].numpy().tobytes()[:4096]) + 3_999_999  # its last byte
    (tmp_path / "c.pt").write_bytes(whole[:at] + b"x" + whole[at + 1 :])
    for options in ({}, {"mapped": True}):
        with (tmp_path / "c.pt").open("rb") as plain, pytest.raises(CheckpointError, match="data/"):
            safe_load(plain, map_location="cpu", **options)
    with (tmp_path / "c.pt").open("rb") as plain:
        assert safe_load(plain, map_location="cpu", mapped=True, verify=False)["n"] == [1, 2]


def test_a_checkpoint_is_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    replace = os.replace

    def replaced(old: str, new: str) -> None:
        done.append("replaced")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", lambda at: done.append(os.readlink(f"/proc/self/fd/{at}")))
    monkeypatch.setattr(os, "replace", replaced)
    for change in (write, copy):
        done.clear()
        change(str(tmp_path / "c.pt"), Files())
        assert done == [str(tmp_path / "c.pt.tmp"), "replaced", str(tmp_path)]


def write(path: str, files: Files) -> None:
    save_whole({"new": torch.zeros(50_000)}, path, files)


def copy(path: str, files: Files) -> None:
    other = str(Path(path).with_name("other"))
    torch.save({"new": torch.zeros(50_000)}, other)
    copy_whole(other, path, files)


def test_checkpoints_of_old_versions_of_torch_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    torch.save(CHECKPOINT, path, _use_new_zipfile_serialization=False)
    assert load(path)["extra_state"] == {"epoch": 3}


@pytest.mark.parametrize("change", [write, copy])
@pytest.mark.parametrize("room", [0, 1, 2_700, 100_000, 200_000])
def test_a_full_disk_leaves_what_was_there(
    change: Callable[[str, Files], None], room: int, tmp_path: Path
) -> None:
    path = tmp_path / "c.pt"
    torch.save(CHECKPOINT, path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"`--save-dir`.*c.pt .*\(No space left .*make room"):
        change(str(path), Files(room))
    assert path.read_bytes() == before and not list(tmp_path.glob("*.tmp"))
    change(str(path), Files())
    assert list(load(path)) == ["new"]


def test_an_error_that_is_not_the_disk_s_stays_itself(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        save_whole(lambda: 0, str(tmp_path / "c.pt"), Files())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (Exception("Cannot load model parameters from checkpoint c.pt; ..."), "^`--arch`.*`c.pt`"),
        (
            AssertionError("Criterion does not match; please reset (--reset-optimizer). A vs B"),
            "^`--criterion` must be that of `c.pt`, A, but is B; .*`--reset-optimizer`",
        ),
        (KeyError("extra_state"), r"^`c.pt` must .* \(KeyError: 'extra_state'\); take another"),
        (OSError(errno.EIO, "Input/output error"), r"^`c.pt` must .* \(Input/output error\)"),
        (CheckpointError("as it is"), "^as it is$"),
    ],
)
def test_what_does_not_fit_is_told(
    error: Exception, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.pt").touch()

    def failing(path: str, reset: bool, **more: int) -> None:
        assert (path, reset, more) == ("c.pt", True, {"more": 1})
        raise error

    with pytest.raises(CheckpointError, match=says):
        clear_errors(failing)("c.pt", True, more=1)


def test_errors_of_other_ranks_stay_themselves(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    path.touch()

    def failing(path: str) -> None:
        raise RuntimeError("Connection closed by peer")

    with pytest.raises(RuntimeError, match="peer"):
        clear_errors(failing)(str(path))
    assert clear_errors(len)(str(path)) == len(str(path))


def test_gradients_are_seen_where_torch_s_own_hooks_fail() -> None:
    class Encoder(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, list[torch.Tensor]]:
            return {"out": [x * 3]}

    class InPlace(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
            return x * 2, None

    seen: list[tuple[str, float]] = []
    encoder, layer = Encoder(), InPlace()
    for module in (encoder, layer):
        on_backward(module, lambda module, _, out: seen.append((type(module).__name__, out[0])))
    x = torch.tensor(1.0, requires_grad=True)
    y, _ = layer(encoder(x)["out"][0])
    y *= 5
    y.backward()
    assert seen == [("InPlace", 5.0)] and x.grad == 30


@pytest.mark.parametrize("name", ["checkpoint_last.pt", "runs/checkpoint_last-rank-0.pt"])
def test_a_first_start_has_no_last_checkpoint(name: str, tmp_path: Path) -> None:
    assert clear_errors(len)(str(tmp_path / name)) == len(str(tmp_path / name))


@pytest.mark.parametrize("name", ["checkpoint7.pt", "."])
def test_a_checkpoint_that_was_named_must_be_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="`--restore-file` must be a checkpoint, but .* is "):
        clear_errors(len)(str(tmp_path / name))
