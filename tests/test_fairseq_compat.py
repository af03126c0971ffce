"""What the corrected fairseq loads from a checkpoint, and what it refuses."""

from __future__ import annotations

import argparse
import decimal
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autoassist_fairseq.tools.install.checkpoints import (
    TRUST_VARIABLE,
    CheckpointError,
    safe_load,
)
from autoassist_fairseq.tools.install.compat import ignoring_copies

pytestmark = pytest.mark.slow  # loads PyTorch


def saved(path: Path, value: Any) -> Path:
    torch.save({"value": value}, path)
    return path


def load(path: Path) -> Any:
    with path.open("rb") as file:
        return safe_load(file, map_location="cpu")["value"]


def test_all_that_a_fairseq_checkpoint_holds_comes_back(tmp_path: Path) -> None:
    value = {
        "args": argparse.Namespace(arch="transformer", lr=[0.1]),
        "model": OrderedDict(weight=torch.ones(2, dtype=torch.bfloat16)),
        "counts": np.array([1.0, 2.0]),
        "scalars": [np.float64(0.5), np.int64(3), np.bool_(True), np.float16(2)],
        "text": np.array(["a"]),
    }
    back = load(saved(tmp_path / "c.pt", value))
    assert back["args"] == value["args"]
    assert torch.equal(back["model"]["weight"], torch.ones(2, dtype=torch.bfloat16))
    assert back["counts"].tolist() == [1.0, 2.0]
    assert back["scalars"] == [0.5, 3, True, 2]
    assert back["text"].tolist() == ["a"]


class Harmful:
    """Pickles as a call of `Path.touch`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRUST_VARIABLE, raising=False)
    path = saved(tmp_path / "c.pt", Harmful(tmp_path / "harm"))
    with pytest.raises(CheckpointError):
        load(path)
    assert not (tmp_path / "harm").exists()
    # the same file does its harm once it is trusted, so the test above proves something
    monkeypatch.setenv(TRUST_VARIABLE, "1")
    load(path)
    assert (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (decimal.Decimal(1), "decimal.Decimal"),
        (np.array([None]), "numpy.dtypes.ObjectDType"),
        (Path("x"), "pathlib"),
    ],
)
def test_a_refusal_names_the_file_and_what_it_holds(
    tmp_path: Path, value: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TRUST_VARIABLE, raising=False)
    with pytest.raises(CheckpointError, match=f"c.pt` may hold only .*`{name}.*{TRUST_VARIABLE}"):
        load(saved(tmp_path / "c.pt", value))


def test_the_allow_list_ends_with_the_call(tmp_path: Path) -> None:
    path = saved(tmp_path / "c.pt", argparse.Namespace(a=1))
    load(path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


class Layer(torch.nn.Module):
    """As an encoder layer of fairseq: its weights, and a copy that training never uses."""

    load_to_BT = False

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = torch.nn.Linear(2, 2)
        self.fc1_weight = torch.nn.Parameter(torch.zeros(2, 2))


def test_ddp_passes_over_the_copies_and_nothing_else_changes() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), Layer())
    names = [name for name, _ in model.named_parameters()]
    assert ignoring_copies(model) is model
    # What DistributedDataParallel reads.
    assert vars(model)["_ddp_params_and_buffers_to_ignore"] == ["1.fc1_weight"]
    assert [name for name, _ in model.named_parameters()] == names == [*model.state_dict()]
    assert all(parameter.requires_grad for parameter in model.parameters())
