"""Which checkpoints go into an average: decisions as tables."""

from __future__ import annotations

import math

import pytest

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.averaging.choice import (
    Candidate,
    Kind,
    best_checkpoints,
    candidates,
    last_checkpoints,
)

FOLDER = [
    "checkpoint1.pt",
    "checkpoint2.pt",
    "checkpoint9.pt",
    "checkpoint10.pt",
    "checkpoint_1_500.pt",
    "checkpoint_1_1000.pt",
    "checkpoint_2_9500.pt",
    "checkpoint_2_10000.pt",
    "checkpoint_best.pt",
    "checkpoint_last.pt",
    "checkpoint.best_bleu_27.4200.pt",
    "checkpoint3-shard0.pt",
    "checkpoint4.pt.tmp",
    "averaged.pt",
]


@pytest.mark.parametrize(
    ("count", "kind", "bound", "expected"),
    [
        (1, "epoch", None, ["checkpoint10.pt"]),
        (3, "epoch", None, ["checkpoint10.pt", "checkpoint9.pt", "checkpoint2.pt"]),
        (2, "epoch", 9, ["checkpoint9.pt", "checkpoint2.pt"]),
        (2, "update", None, ["checkpoint_2_10000.pt", "checkpoint_2_9500.pt"]),
        (2, "update", 9499, ["checkpoint_1_1000.pt", "checkpoint_1_500.pt"]),
    ],
)
def test_last(count: int, kind: Kind, bound: int | None, expected: list[str]) -> None:
    assert last_checkpoints(FOLDER, count, kind, bound) == expected
    assert last_checkpoints(FOLDER[::-1], count, kind, bound) == expected


@pytest.mark.parametrize(
    ("count", "kind", "bound", "said"),
    [
        (5, "epoch", None, "`--num-epoch-checkpoints` 5 .* holds, 4; .*`--keep-last-epochs`"),
        (3, "epoch", 2, r"holds, 2 up to epoch 2 \(2 lie beyond it\)"),
        (5, "update", None, "holds, 4; .*`--keep-interval-updates`"),
    ],
)
def test_too_few(count: int, kind: Kind, bound: int | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        last_checkpoints(FOLDER, count, kind, bound)


CANDIDATES = [
    Candidate("checkpoint1.pt", 10, 5.0),
    Candidate("checkpoint2.pt", 20, 3.0),
    Candidate("checkpoint3.pt", 30, 4.0),
    Candidate("checkpoint4.pt", 40, 3.0),
    Candidate("checkpoint.best_loss_3.0001.pt", 20, 3.0),
    Candidate("checkpoint_5_45.pt", 45, None),
    Candidate("checkpoint5.pt", 50, math.nan),
]


@pytest.mark.parametrize(
    ("count", "maximize", "updates"),
    [(1, False, [40]), (3, False, [40, 20, 30]), (2, True, [10, 30]), (4, True, [10, 30, 40, 20])],
)
def test_best_counts_copies_once_and_prefers_the_more_trained(
    count: int, maximize: bool, updates: list[int]
) -> None:
    chosen = best_checkpoints(CANDIDATES, count, maximize)
    assert [candidate.updates for candidate in chosen] == updates


def test_best_needs_values() -> None:
    with pytest.raises(UserError, match="5 asks for more than the 4 distinct .* of 7 files"):
        best_checkpoints(CANDIDATES, 5, maximize=False)


def test_copies_and_strangers_are_no_candidates() -> None:
    assert sorted(set(FOLDER) - set(candidates(FOLDER))) == [
        "averaged.pt",
        "checkpoint3-shard0.pt",
        "checkpoint4.pt.tmp",
        "checkpoint_best.pt",
        "checkpoint_last.pt",
    ]
    assert candidates(FOLDER, "-shard0") == ["checkpoint3-shard0.pt"]


def test_a_suffix_is_understood() -> None:
    names = [name.replace(".pt", "-a.pt") for name in FOLDER]
    assert last_checkpoints([*names, *FOLDER], 1, "epoch", 9, "-a") == ["checkpoint9-a.pt"]
    assert last_checkpoints(names, 1, "update", None, "-a") == ["checkpoint_2_10000-a.pt"]
    assert "checkpoint.best_bleu_27.4200-a.pt" in candidates(names, "-a")


@pytest.mark.parametrize(
    ("names", "kind", "said"),
    [
        (["checkpoint_best.pt", "checkpoint_last.pt"], "epoch", "0; take checkpoint_best.pt as it "
         "is, or train with a larger `--keep-last-epochs` and without `--no-epoch-checkpoints`"),
        (["checkpoint_last.pt", "checkpoint_1_5.pt"], "epoch", "0; average its 1 update checkpoints"
         r" \(`--num-update-checkpoints`\), or take checkpoint_last.pt as it is"),
        (["checkpoint1-a.pt", "checkpoint_last-a.pt"], "epoch", r"0; name the suffix of others "
         r"\(`--checkpoint-suffix=-a`\), or train"),
        (["checkpoint1.pt"], "update", "0; average its 1 epoch .*, or train with `--save-"),
    ],
)  # fmt: skip
def test_what_else_can_be_done(names: list[str], kind: Kind, said: str) -> None:
    with pytest.raises(UserError, match=said):
        last_checkpoints(names, 3, kind)
