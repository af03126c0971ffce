"""``--lr-scheduler autoassist_decay``: 0 at the budget, the same on ranks and after a stop."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from binarised import Binarised
from training import Run, Server

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.plugin.decay import BudgetDecay, budget_of, progress, spend

pytestmark = pytest.mark.slow

PEAK = 0.01


class Optimizer:
    """Holds a rate."""

    rate = 0.0

    def set_lr(self, rate: float) -> None:
        self.rate = rate


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the task says when it is made."""
    monkeypatch.setattr(BudgetDecay, "counted", True)


def decay(budget: str, warmup: int = 0, lr: tuple[float, ...] = (PEAK,)) -> BudgetDecay:
    cfg = SimpleNamespace(lr=lr, warmup_updates=warmup, autoassist_budget=budget, use_bmuf=False)
    scheduler = BudgetDecay(cfg, None)
    scheduler.optimizer = Optimizer()
    return scheduler


def test_the_rate_by_hand() -> None:
    scheduler, rates = decay("tokens=1000", warmup=4), []
    for update in range(6):
        rates.append(scheduler.step_update(update))
        spend(250, 9.0)
    # Warm-up 1/4, 2/4, 3/4, 1, 1; left 1, 3/4, 2/4, 1/4, 0
    assert progress(9) == 1.5
    assert rates == pytest.approx([PEAK / 4, PEAK * 3 / 8, PEAK * 3 / 8, PEAK / 4, 0, 0])
    assert scheduler.optimizer.rate == 0


def test_passes_and_no_end() -> None:
    scheduler = decay("passes=4")
    spend(10, 0.5)
    spend(10, 1.0)
    assert (
        scheduler.rate == pytest.approx(PEAK * 3 / 4) and progress(1) == 0.25 == progress(0) + 0.25
    )
    scheduler = decay("tokens=inf")
    spend(1e9, 1.0)
    assert scheduler.rate == PEAK and math.isnan(progress(1))


def test_what_was_spent_is_saved_and_the_budget_is_not() -> None:
    before, again = decay("tokens=100"), decay("tokens=200")
    before.spend(50, 0)
    again.load_state_dict(before.state_dict())
    assert again.rate == pytest.approx(PEAK * 0.75)
    other = decay("passes=2")
    other.load_state_dict(before.state_dict())  # tokens are no passes
    other.load_state_dict({"best": None})  # nor did another scheduler count
    assert other.spent == 0
    other.step_begin_epoch(2)  # but the first pass is over, whoever counted
    assert other.rate == other.optimizer.rate == pytest.approx(PEAK / 2)


def test_a_pass_that_goes_on_has_spent_what_was_saved() -> None:
    scheduler = decay("passes=4")
    spend(10, 1.5)
    scheduler.step_begin_epoch(2)
    assert scheduler.spent == 1.5
    scheduler.step_begin_epoch(1)  # --reset-dataloader
    assert scheduler.spent == 0


def test_a_budget_that_is_spent_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    scheduler = decay("tokens=1000")
    scheduler.step_begin_epoch(1)
    assert not caplog.text
    spend(1001, 1.0)
    for epoch in (2, 3):
        scheduler.step_begin_epoch(epoch)
    assert caplog.text.count("`--autoassist-budget` is spent (1,001 of 1,000 tokens)") == 1


@pytest.mark.parametrize(
    ("budget", "advice"),
    [("tokens=1000", "--reset-lr-scheduler"), ("passes=3", "--reset-dataloader")],
)
def test_what_is_advised_when_a_budget_is_spent_begins_a_new_one(
    budget: str, advice: str, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = decay(budget)
    spend(1001, 3.0)
    scheduler.step_begin_epoch(4)
    assert scheduler.rate == 0 and f"give more, or `{advice}` to begin a new one" in caplog.text
    if advice == "--reset-dataloader":
        scheduler.step_begin_epoch(1)
        assert scheduler.rate > 0


@pytest.mark.parametrize("bad", ["", "tokens", "tokens=0", "tokens=nan", "seconds=5", "passes=-1"])
def test_bad_budgets(bad: str) -> None:
    with pytest.raises(UserError, match="`--autoassist-budget` must be tokens=N or passes=P"):
        budget_of(bad)


def test_several_rates_are_refused() -> None:
    with pytest.raises(UserError, match="`--lr` must be one number"):
        decay("tokens=9", lr=(0.1, 0.2))


def test_another_task_counts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BudgetDecay, "counted", False)
    with pytest.raises(UserError, match="must go with `--task autoassist_translation`"):
        decay("passes=3")


def train(server: Server, corpus: Binarised, folder: Path, *flags: Any, ranks: int = 1) -> Run:
    words = ("--lr-scheduler", "autoassist_decay", "--lr", PEAK, "--warmup-updates", 3, *flags)
    words = (*words, "--dropout", 0, "--max-epoch", 3)
    if ranks == 1:
        return server.train(corpus.data, folder, *words)
    from training import train_flags

    spread = train_flags(folder, *words)
    return server.run_ranks("fairseq-train", corpus.data, *spread, save_dir=folder, ranks=ranks)[0]


@pytest.mark.parametrize("policy", ["off", "shrink", "competence"])  # which opens by the budget
def test_training_ends_at_0_and_goes_on_exactly(
    policy: str, server: Server, few: Binarised, tmp_path: Path
) -> None:
    which = ("--autoassist-policy", policy, "--autoassist-difficulty", "length")
    flags = (*which, "--autoassist-budget", "passes=3", "--batch-size", 8)
    whole = train(server, few, tmp_path / "whole", *flags)
    assert whole.status == 0, whole.output
    rates = [float(one["lr"]) for one in whole.logged("train_inner")]
    assert 0 < rates[-1] < 0.05 * max(rates) < PEAK
    stopped = train(server, few, tmp_path / "two", *flags, "--max-update", len(rates) // 2)
    again = train(server, few, tmp_path / "two", *flags)
    assert [stopped.status, again.status] == [0, 0]
    assert whole.losses == [*stopped.losses, *again.losses]


def test_two_ranks_spend_what_one_does(server: Server, few: Binarised, tmp_path: Path) -> None:
    flags = ("--autoassist-policy", "shrink", "--autoassist-budget", "tokens=2000")
    one = train(server, few, tmp_path / "1", *flags, "--batch-size", 4, "--update-freq", 2)
    two = train(server, few, tmp_path / "2", *flags, "--batch-size", 4, ranks=2)
    rates = [[line["lr"] for line in run.logged("train_inner")] for run in (one, two)]
    assert rates[0] == rates[1] and len(set(rates[0])) > 5


@pytest.mark.parametrize(
    ("flags", "rule"),
    [
        ((), "`--autoassist-budget` must be tokens=N or passes=P"),
        (("--autoassist-budget", "tokens=900", "--use-bmuf"), "`--use-bmuf` must be left out"),
    ],
)
def test_what_leaves_no_budget_to_count_is_told(
    flags: tuple[str, ...], rule: str, server: Server, few: Binarised, tmp_path: Path
) -> None:
    run = train(server, few, tmp_path, "--batch-size", 8, *flags)
    assert run.status == 1 and "Traceback" not in run.output
    assert f"autoassist: error: {rule}" in run.output
