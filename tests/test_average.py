"""Averaging: exact values, odd entries, damaged inputs, and no half-written output."""

from __future__ import annotations

import argparse
import gc
import os
import weakref
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools import average, average_files
from autoassist_fairseq.tools.average import RECORD, main
from autoassist_fairseq.tools.average_sum import ModelMean


def checkpoint(
    model: dict[str, Any], updates: int = 10, value: float | None = None, **config: object
) -> dict[str, Any]:
    """Return what fairseq saves, as far as averaging looks at it."""
    return {
        "args": None,
        "cfg": {
            "checkpoint": {"best_checkpoint_metric": "loss", **config},
            "model": argparse.Namespace(arch="tiny"),
        },
        "model": OrderedDict(model),
        "optimizer_history": [{"num_updates": updates}],
        "extra_state": {
            "train_iterator": {"epoch": 2},
            "val_loss": value,
            "metrics": {"counts": np.arange(4), "bleu": np.float64(1.5)},
            "ema": {"w": torch.ones(1)},
        },
        "last_optimizer_state": {"state": {0: {"exp_avg": torch.ones(3)}}},
    }


def save(path: Path, model: dict[str, Any], **more: Any) -> str:
    torch.save(checkpoint(model, **more), path)
    return str(path)


def run(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    output = tmp_path / "out.pt"
    assert main(["--output", str(output), "--inputs", *arguments]) == 0
    return average_files.read_checkpoint(output)


def test_equals_an_independent_mean(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    shapes = {"a": (3, 4), "b": (5,), "c": ()}
    arrays = [{k: rng.normal(size=s).astype("f4") for k, s in shapes.items()} for _ in range(7)]
    paths = [
        save(tmp_path / f"{i}.pt", {k: torch.from_numpy(np.array(v)) for k, v in a.items()})
        for i, a in enumerate(arrays)
    ]
    model = run(tmp_path, *paths)["model"]
    for name in shapes:
        expected = np.mean([a[name].astype("f8") for a in arrays], axis=0).astype("f4")
        np.testing.assert_array_equal(model[name].numpy(), expected)
    assert list(model) == list(shapes)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_wide_and_written_half(tmp_path: Path, dtype: torch.dtype) -> None:
    # 60000 + 60000 overflows fp16; 2048 + 1 is lost in it (and in bf16 long before)
    values = [[60000.0, 2048.0], [60000.0, 1.0], [60000.0, 1.0]]
    paths = [
        save(tmp_path / f"{i}.pt", {"w": torch.tensor(v).to(dtype)}) for i, v in enumerate(values)
    ]
    result = run(tmp_path, *paths)["model"]["w"]
    exact = torch.tensor([float(torch.tensor(60000.0).to(dtype)), 2050 / 3])
    assert result.dtype == dtype
    assert torch.equal(result, exact.to(dtype))


def test_many_float32_lose_nothing() -> None:
    # in float32, 1e8 + 3 is 1e8: a float32 sum would give 25,000,000
    mean = ModelMean()
    for value in (1e8, 3.0, 3.0, 2.0):
        mean.add({"w": torch.tensor([value])}, "x")
    assert mean.result()["w"].item() == 25_000_002.0


def test_counters_and_masks_are_those_of_the_first(tmp_path: Path) -> None:
    def model(n: int) -> dict[str, Tensor]:
        return {"n": torch.tensor(n), "on": torch.tensor([n > 5]), "w": torch.tensor([float(n)])}

    result = run(tmp_path, *(save(tmp_path / f"{n}.pt", model(n)) for n in (9, 2, 4)))["model"]
    assert (result["n"].item(), result["on"].item(), result["w"].item()) == (9, True, 5.0)
    assert result["n"].dtype == torch.int64


def test_tied_parameters_stay_tied_and_are_counted_once(tmp_path: Path) -> None:
    paths = []
    for value in (1.0, 3.0):
        shared = torch.full((100, 100), value)
        model = {"embed": shared, "project": shared, "view": shared[:2], "own": shared.clone()}
        paths.append(save(tmp_path / f"{value}.pt", model))
    model = run(tmp_path, *paths)["model"]
    assert all(torch.equal(t, torch.full_like(t, 2.0)) for t in model.values())
    pointers = {name: t.untyped_storage().data_ptr() for name, t in model.items()}
    assert pointers["embed"] == pointers["project"]
    assert len(set(pointers.values())) == 3  # a part and a copy are no ties
    assert (tmp_path / "out.pt").stat().st_size < 2.5 * shared.nbytes


def test_a_tie_that_comes_undone_is_an_error() -> None:
    mean, shared = ModelMean(), torch.ones(2)
    mean.add({"embed": shared, "project": shared}, "first.pt")
    mean.add({"embed": shared, "project": shared.clone()}, "equal.pt")
    with pytest.raises(UserError, match=r"undone.pt unties `project` from `embed`"):
        mean.add({"embed": shared, "project": shared + 1}, "undone.pt")


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"a": torch.ones(2)}, "second.pt lacks `b` compared"),
        ({"a": torch.ones(2), "b": torch.ones(1), "c": torch.ones(1)}, "second.pt adds `c`"),
        ({"a": torch.ones(2), "x": torch.ones(1)}, "lacks `b` and adds `x`"),
        ({"a": torch.ones(3), "b": torch.ones(1)}, r"`a` is float32 \(3,\) in second.pt"),
        ({"a": torch.ones(2).half(), "b": torch.ones(1)}, r"float16 \(2,\) in second.pt"),
        (
            {"a": torch.tensor([1.0, float("nan")]), "b": torch.ones(1)},
            "second.pt holds NaN in `a`",
        ),
    ],
)
def test_mismatched_parameters(tmp_path: Path, second: dict[str, Tensor], said: str) -> None:
    paths = [
        save(tmp_path / "first.pt", {"a": torch.ones(2), "b": torch.ones(1)}),
        save(tmp_path / "second.pt", second),
    ]
    with pytest.raises(UserError, match=said):
        run(tmp_path, *paths)
    assert not (tmp_path / "out.pt").exists()


def test_keeps_settings_of_the_first_and_records_what_went_in(tmp_path: Path) -> None:
    paths = [
        save(tmp_path / f"{n}.pt", {"w": torch.ones(1)}, updates=n, value=float(n)) for n in (7, 5)
    ]
    state = run(tmp_path, *paths)
    assert state["cfg"]["model"].arch == "tiny"
    assert state["optimizer_history"] == [{"num_updates": 7}]
    assert state["extra_state"]["val_loss"] == 7.0
    assert state["extra_state"]["metrics"]["counts"].tolist() == [0, 1, 2, 3]
    assert "last_optimizer_state" not in state
    assert "ema" not in state["extra_state"]
    records = state["extra_state"][RECORD]
    assert [(r["file"], r["updates"], r["value"], r["metric"]) for r in records] == [
        (paths[0], 7, 7.0, "loss"),
        (paths[1], 5, 5.0, "loss"),
    ]
    assert records[0]["bytes"] == os.path.getsize(paths[0])


def test_holds_two_models_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [save(tmp_path / f"{n}.pt", {"w": torch.ones(4)}) for n in range(4)]
    alive: list[weakref.ref[Tensor]] = []

    def counting(path: Path) -> dict[str, Any]:
        gc.collect()
        assert not [tensor for tensor in alive if tensor() is not None]
        state = average_files.read_checkpoint(path)
        alive.append(weakref.ref(state["model"]["w"]))
        return state

    monkeypatch.setattr(average, "read_checkpoint", counting)
    assert average.average([Path(p) for p in paths])["model"]["w"].tolist() == [1.0] * 4
    assert len(alive) == 4


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
    with pytest.raises(UserError, match="holds `posix.mkdir`, which would run code"):
        run(tmp_path, str(tmp_path / "evil.pt"))
    assert not (tmp_path / "ran").exists()


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
    with pytest.raises(UserError, match=r"bad.pt is damaged or no checkpoint|bad.pt must hold"):
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

    def full_disk(state: object, stream: Any) -> None:
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(UserError, match=r"out.pt could not be written \(.*No space left"):
        run(tmp_path, source)
    assert (tmp_path / "out.pt").read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pt", "out.pt"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of four epochs with update checkpoints between them; epoch e has w = e."""
    where = tmp_path / "run"
    where.mkdir()
    for epoch, loss in enumerate((5.0, 3.0, 2.0, 4.0), 1):
        w = {"w": torch.tensor([float(epoch)])}
        save(where / f"checkpoint{epoch}.pt", w, updates=10 * epoch, value=loss)
        w = {"w": torch.tensor([epoch + 0.5])}
        save(where / f"checkpoint_{epoch + 1}_{10 * epoch + 5}.pt", w, updates=10 * epoch + 5)
    save(where / "checkpoint_last.pt", {"w": torch.tensor([99.0])})
    return where


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--num-epoch-checkpoints", "2"], 3.5),
        (["--num-epoch-checkpoints", "2", "--checkpoint-upper-bound", "3"], 2.5),
        (["--num-update-checkpoints", "2"], 4.0),
        (["--num-update-checkpoints", "2", "--checkpoint-upper-bound", "25"], 2.0),
        (["--num-best-checkpoints", "2"], 2.5),
        (["--num-best-checkpoints", "3", "--metric", "loss"], 3.0),
    ],
)
def test_flags(tmp_path: Path, folder: Path, options: list[str], expected: float) -> None:
    assert run(tmp_path, str(folder), *options)["model"]["w"].item() == expected


def test_best_follows_the_recorded_direction(tmp_path: Path) -> None:
    for n, bleu in enumerate((20.0, 30.0, 10.0), 1):
        config = {"best_checkpoint_metric": "bleu", "maximize_best_checkpoint_metric": True}
        w = {"w": torch.tensor([float(n)])}
        save(tmp_path / f"checkpoint{n}.pt", w, updates=n, value=bleu, **config)
    state = run(tmp_path, str(tmp_path), "--num-best-checkpoints", "2")
    assert state["model"]["w"].item() == 1.5
    assert [r["value"] for r in state["extra_state"][RECORD]] == [30.0, 20.0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["DIR"], "is a folder: say how many"),
        (["DIR", "DIR", "--num-epoch-checkpoints", "2"], "needs one existing folder"),
        (["DIR/nothing", "--num-epoch-checkpoints", "2"], "needs one existing folder"),
        (["DIR/nothing.pt"], "must be an existing checkpoint file"),
        (["DIR", "--num-epoch-checkpoints", "0"], "must be at least 1, but is 0"),
        (["DIR", "--num-epoch-checkpoints", "5"], "holds, 4"),
        (["DIR", "--num-best-checkpoints", "5"], "the 4 distinct checkpoints"),
        (["DIR", "--num-best-checkpoints", "2", "--metric", "bleu"], "records `loss`"),
        (["DIR/checkpoint1.pt", "--checkpoint-upper-bound", "3"], "needs `--num-epoch"),
        (["DIR", "--num-best-checkpoints", "1", "--checkpoint-upper-bound", "3"], "needs `--num"),
        (["DIR", "--num-epoch-checkpoints", "1", "--metric", "loss"], "needs `--num-best"),
    ],
)
def test_options_that_cannot_be(
    tmp_path: Path, folder: Path, options: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        run(tmp_path, *(word.replace("DIR", str(folder)) for word in options))
    assert not (tmp_path / "out.pt").exists()


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    path = save(tmp_path / "out.pt", {"w": torch.ones(1)})
    before = Path(path).read_bytes()
    with pytest.raises(UserError, match="must not be one of the inputs"):
        run(tmp_path, path)
    assert Path(path).read_bytes() == before
