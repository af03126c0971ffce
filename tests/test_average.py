"""Averaging: exact values, odd entries, what is kept and recorded, and the flags."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import run, run_folder, save
from torch import Tensor

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.averaging import command as average
from autoassist_fairseq.tools.averaging.command import RECORD
from autoassist_fairseq.tools.averaging.sums import ModelMean
from autoassist_fairseq.tools.common.checkpoints import read_checkpoint

pytestmark = pytest.mark.slow  # loads PyTorch


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


def test_what_fairseq_never_fills_may_hold_anything() -> None:
    mean, nan = ModelMean(), torch.tensor([float("nan")])
    for name in ("first.pt", "second.pt"):
        mean.add({"embed_positions._float_tensor": nan, "a": torch.ones(1)}, name)


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
        (
            {"a": torch.tensor([1.0, float("inf")]), "b": torch.ones(1)},
            "second.pt holds infinity in `a`",
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


def test_a_mask_keeps_its_negative_infinities(tmp_path: Path) -> None:
    mask = torch.tensor([0.0, -float("inf")])
    paths = [save(tmp_path / f"{n}.pt", {"mask": mask}) for n in "ab"]
    assert run(tmp_path, *paths)["model"]["mask"].tolist() == mask.tolist()


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
    assert state["extra_state"]["train_iterator"] == {"epoch": 2}
    records = state["extra_state"][RECORD]
    assert [(r["file"], r["updates"], r["value"], r["metric"]) for r in records] == [
        (paths[0], 7, 7.0, "loss"),
        (paths[1], 5, 5.0, "loss"),
    ]
    assert records[0]["bytes"] == os.path.getsize(paths[0])


@pytest.mark.slow
def test_holds_two_models_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [save(tmp_path / f"{n}.pt", {"w": torch.ones(4)}) for n in range(4)]
    alive: list[weakref.ref[Tensor]] = []

    def counting(path: Path, option: str) -> dict[str, Any]:
        gc.collect()
        assert not [tensor for tensor in alive if tensor() is not None]
        state = read_checkpoint(path, option)
        alive.append(weakref.ref(state["model"]["w"]))
        return state

    monkeypatch.setattr(average, "read_checkpoint", counting)
    assert average.average([Path(p) for p in paths])["model"]["w"].tolist() == [1.0] * 4
    assert len(alive) == 4


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--num-epoch-checkpoints", "2"], 3.5),
        (["--num-epoch-checkpoints", "2", "--checkpoint-upper-bound", "3"], 2.5),
        (["--num-update-checkpoints", "2"], 4.0),
        (["--num-update-checkpoints", "2", "--checkpoint-upper-bound", "25"], 2.0),
        (["--num-best-checkpoints", "2"], 2.5),
        (["--num-best-checkpoints", "3"], 3.0),
    ],
)
def test_flags(tmp_path: Path, options: list[str], expected: float) -> None:
    assert run(tmp_path, str(run_folder(tmp_path)), *options)["model"]["w"].item() == expected


def test_best_needs_one_metric(tmp_path: Path) -> None:
    for n, metric in enumerate(("loss", "bleu"), 1):
        w = {"w": torch.tensor([1.0])}
        save(tmp_path / f"checkpoint{n}.pt", w, updates=n, value=1.0, best_checkpoint_metric=metric)
    with pytest.raises(UserError, match="one metric, but .* records `bleu`, `loss`"):
        run(tmp_path, str(tmp_path), "--num-best-checkpoints", "2")


def test_best_follows_the_recorded_direction(tmp_path: Path) -> None:
    for n, bleu in enumerate((20.0, 30.0, 10.0), 1):
        config = {"best_checkpoint_metric": "bleu", "maximize_best_checkpoint_metric": True}
        w = {"w": torch.tensor([float(n)])}
        save(tmp_path / f"checkpoint{n}.pt", w, updates=n, value=bleu, **config)
    state = run(tmp_path, str(tmp_path), "--num-best-checkpoints", "2")
    assert state["model"]["w"].item() == 1.5
    assert [r["value"] for r in state["extra_state"][RECORD]] == [30.0, 20.0]
