"""autoassist compare: how long a run goes on, update by update, and what its epochs were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.compare.budget import FIRST, Budget, expected, leg, parse_budget
from autoassist_fairseq.tools.compare.updates import (
    HEADER,
    Epoch,
    Update,
    Updates,
    epochs_of,
    read_updates,
)

TOKENS = Budget("tokens", 100_000)


def test_budgets() -> None:
    assert parse_budget("tokens=1_000") == Budget("tokens", 1000)
    assert parse_budget("seconds=2e3") == Budget("seconds", 2000)
    assert str(parse_budget("tokens=1500000")) == "tokens=1500000"
    assert parse_budget("passes=3") == Budget("passes", 3)
    bad_ones = ("tokens", "epochs=3", "tokens=0", "tokens=-1", "seconds=nan", "tokens=inf", "5")
    for bad in (*bad_ones, "passes=0", "passes=1.5", "passes=inf"):
        with pytest.raises(UserError, match="`--budget` must be tokens=N, seconds=S or passes=P"):
            parse_budget(bad)


def test_the_first_leg_cannot_overshoot() -> None:
    assert leg(TOKENS, [], 1_000) == 100
    assert leg(TOKENS, [], 999) == 100
    assert leg(TOKENS, [], 10**9) == 1
    assert leg(Budget("seconds", 600), [], 1_000) == FIRST


def test_legs_of_equal_updates_by_hand() -> None:
    spent = [700.0] * 100  # 30,000 left: 42.9 updates
    assert leg(TOKENS, spent, 1_000) == 42
    assert leg(TOKENS, spent + [700.0] * 42, 1_000) == 1  # 600 left: more than half
    assert leg(TOKENS, spent + [700.0] * 43, 1_000) == 0
    assert leg(Budget("tokens", 70_350), spent, 1_000) == 0  # 350 left: exactly half
    assert leg(Budget("tokens", 70_351), spent, 1_000) == 1
    assert leg(Budget("tokens", 60_000), spent, 1_000) == 0  # already over


def test_seconds_are_near_enough_within_half_a_percent() -> None:
    spent = [1.0] * 598  # 2 seconds of 600 left
    assert leg(Budget("seconds", 600), spent, 1_000) == 0
    assert leg(Budget("seconds", 602), spent, 1_000) == 4
    assert leg(Budget("tokens", 600), spent, 1_000) == 2


def test_the_whole_is_expected_from_what_was_measured() -> None:
    assert expected(TOKENS, [], 1_000) == 200  # no first leg ends after half of it
    assert expected(TOKENS, [800.0] * 100, 1_000) == 125
    assert expected(TOKENS, [1000.0] * 101, 1_000) == 101


@pytest.mark.parametrize("seed", range(20))
def test_legs_end_within_half_an_update_and_are_few(seed: int) -> None:
    # Tokens vary from update to update, and fall as an Assistant begins to skip
    rng = np.random.default_rng(seed)
    costs = (rng.uniform(500, 900, 5_000) * np.linspace(1.0, 0.8, 5_000)).round()
    budget, done, legs = Budget("tokens", 850_000), 0, 0
    while more := leg(budget, list(costs[:done]), 1_000):
        done, legs = done + more, legs + 1
    over = costs[:done].sum() - budget.amount
    assert abs(over) <= costs[:done].max() / 2 + 100
    assert legs <= 7


STAMP = "2026-11-21 03:02:11 | INFO | "
START = STAMP + "fairseq_cli.train | Start iterating over samples"
VALIDATION = STAMP + 'fairseq_cli.train | begin validation on "valid" subset'
VALID = STAMP + 'valid | {"epoch": 1, "valid_nll_loss": "4.5", "valid_num_updates": "2"}'
END = STAMP + 'train | {"epoch": 1, "train_wpb": "5", "train_num_updates": "2"}'
LOADED = STAMP + "fairseq.trainer | Loaded checkpoint /x/checkpoint_last.pt (epoch 1 @ 2 updates)"
FRESH = STAMP + "fairseq.trainer | No existing checkpoint found x/checkpoint_last.pt"


def saved(update: int, seconds: float) -> str:
    return (
        f"{STAMP}fairseq.checkpoint_utils | Saved checkpoint /x/checkpoint_last.pt (epoch 1 @ "
        f"{update} updates, score 3.9) (writing took {seconds} seconds)"
    )


def inner(number: int, tokens: float, position: float = 0.5, epoch: int = 1) -> str:
    figures = {
        "epoch": epoch, "update": position, "loss": "9.5", "wpb": str(tokens),
        "num_updates": str(number),
    }  # fmt: skip
    return f"{STAMP}train_inner | {json.dumps(figures)}"


def feed(updates: Updates, *lines: tuple[float, str]) -> Updates:
    for now, line in lines:
        updates.feed(line, now)
    return updates


def test_the_clock_stands_still_in_validation_and_while_writing(tmp_path: Path) -> None:
    updates = feed(
        Updates(tmp_path / "u.csv"),
        (50.0, START),
        (52.0, inner(1, 100)),  # 2 s
        (53.0, inner(2, 90, 1.0)),  # 1 s
        (53.0, VALIDATION), (60.0, VALID), (64.5, saved(2, 4.0)), (64.5, END),
        (66.0, START),
        (67.0, inner(3, 80, 1.5, 2)),  # 0.5 s between validation and writing, 2.5 s after it
    )  # fmt: skip
    assert [update.seconds for update in updates.done] == [2.0, 3.0, 6.0]
    assert updates.cost("tokens") == [100, 90, 80]
    assert updates.cost("seconds") == [2.0, 1.0, 3.0]
    assert (updates.tokens, updates.seconds, updates.saved) == (270, 6.0, 2)


def test_a_restart_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    lines = [(0.0, START), *((float(n), inner(n, 10 * n)) for n in (1, 2, 3))]
    feed(Updates(path), *lines)
    with path.open("a") as stream:
        stream.write("4,1,0.")  # as a kill may leave it
    again = Updates(path)
    assert [update.number for update in again.done] == [1, 2, 3]
    feed(again, (100.0, LOADED), (104.0, START), (105.5, inner(3, 30)), (106.0, inner(4, 40)))
    assert [(one.number, one.seconds) for one in again.done] == [(1, 1), (2, 2), (3, 3.5), (4, 4)]
    assert again.tokens == 100
    assert read_updates(path) == again.done
    assert path.read_text().splitlines()[0] == ",".join(HEADER)
    assert feed(again, (200.0, FRESH)).done == read_updates(path) == []


def test_what_overflows_at_the_end_of_an_epoch_is_done(tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    begun = [(0.0, FRESH), (0.0, START), (1.0, inner(1, 10)), (2.0, inner(2, 10, 0.9))]
    ended = (3.0, f"{STAMP}fairseq_cli.train | end of epoch 1 (average epoch stats below)")
    stopped = (3.0, f"{STAMP}fairseq_cli.train | Stopping training due to num_updates: 2 >= 2")
    assert feed(Updates(path), *begun, stopped, ended).passes == 0.9
    assert feed(Updates(path), *begun, ended).passes == 1
    assert epochs_of(read_updates(path)) == [Epoch(1, 20.0, 2.0)]
    # The end of the epoch may be missed in a kill: the checkpoint tells
    feed(Updates(path), *begun)
    loaded = (9.0, LOADED.replace("epoch 1", "epoch 2"))
    assert feed(Updates(path), (9.0, LOADED)).passes == 0.9
    assert feed(Updates(path), loaded).passes == Updates(path).passes == 1


def row(number: int, epoch: int, position: float, seconds: float) -> Update:
    return Update(number, epoch, position, 10.0, seconds)


def test_epochs_are_whole_ones() -> None:
    rows = [row(1, 1, 0.5, 1.0), row(2, 1, 1.0, 3.0), row(3, 2, 1.333, 4.0), row(4, 2, 1.667, 5.0)]
    assert epochs_of(rows) == [Epoch(1, 20.0, 3.0)]
    assert epochs_of([*rows, row(5, 2, 2.0, 7.5)])[1] == Epoch(2, 30.0, 4.5)
    assert epochs_of([]) == []
