"""``--lr-scheduler autoassist_decay``: the learning rate ends at 0 where the budget does.

Arms that leave pairs out make other numbers of updates for the same tokens, so a schedule in
updates would stop one arm in its middle. This one goes by what was trained on.

No ``from __future__ import annotations`` here: fairseq reads the types of the fields.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fairseq.dataclass import FairseqDataclass
from fairseq.optim.lr_scheduler import FairseqLRScheduler, register_lr_scheduler
from omegaconf import II

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.plugin.border import one_sentence

logger = logging.getLogger(__name__)

NAME = "autoassist_decay"
KINDS = ("tokens", "passes")


@dataclass
class BudgetDecayConfig(FairseqDataclass):  # type: ignore[misc]
    """Options of the scheduler."""

    warmup_updates: int = field(
        default=0, metadata={"help": "updates over which the rate first rises from 0"}
    )
    autoassist_budget: str = field(
        default="",
        metadata={
            "help": "where the rate is 0: tokens=N (target tokens trained on) or passes=P (over "
            "the training set); inf: nowhere"
        },
    )
    lr: Any = II("optimization.lr")
    use_bmuf: Any = II("optimization.use_bmuf")


@register_lr_scheduler(NAME, dataclass=BudgetDecayConfig)
class BudgetDecay(FairseqLRScheduler):  # type: ignore[misc]
    """The rate is --lr x the share of the warm-up that is done x the share of the budget left.

    Args:
        cfg: a `BudgetDecayConfig`.
        optimizer: whose rate it sets.

    Attributes:
        spent: of the budget, by all ranks.
        counted: whether the task of this process tells what is spent, with `spend`.

    Raises:
        UserError: a budget that is none, several learning rates, a task that counts nothing, or
            ``--use-bmuf`` beside tokens.
    """

    current: "BudgetDecay | None" = None
    counted = False

    @one_sentence
    def __init__(self, cfg: Any, optimizer: Any) -> None:
        super().__init__(cfg, optimizer)
        if not self.counted:
            raise UserError(
                f"`--lr-scheduler {NAME}` must go with `--task autoassist_translation`, which "
                "counts what is spent, but goes with another task; give that one, with "
                "`--autoassist-policy off` for fairseq's own batches."
            )
        self.kind, self.total = budget_of(str(cfg.autoassist_budget))
        rates = list(cfg.lr)
        if len(rates) != 1:
            raise UserError(
                f"`--lr` must be one number with `--lr-scheduler {NAME}`, which changes it by "
                f"itself, but is {rates}; give the highest."
            )
        if cfg.use_bmuf and self.kind == "tokens":
            raise UserError(
                "`--use-bmuf` must be left out with `--autoassist-budget tokens=N`, since each of "
                "its ranks knows its own tokens only, but is given; use passes=P, or another "
                "schedule."
            )
        self.peak, self.spent = float(rates[0]), 0.0
        self.updates, self.warmup, self._told = 0, int(cfg.warmup_updates), False
        BudgetDecay.current = self

    def step_begin_epoch(self, epoch: int) -> None:
        """Count passes from the beginning of the run, whoever set the rate in those before.

        Warn, once, where all of the budget is spent and training begins all the same.
        """
        if self.kind == "passes" and not epoch - 1 <= self.spent < epoch:
            self.spent = epoch - 1.0
        self.optimizer.set_lr(self.rate)
        if self.spent >= self.total and not self._told:
            self._told = True
            anew = {"tokens": "--reset-lr-scheduler", "passes": "--reset-dataloader"}[self.kind]
            logger.warning(
                f"autoassist: `--autoassist-budget` is spent ({self.spent:,.0f} of "
                f"{self.total:,.0f} {self.kind}): the learning rate is 0 from here on; give more, "
                f"or `{anew}` to begin a new one"
            )

    def step_update(self, num_updates: int) -> float:
        """Set the rate for the update after ``num_updates``, and return it."""
        self.updates = num_updates
        self.optimizer.set_lr(self.rate)
        return self.rate

    @property
    def rate(self) -> float:
        """The rate of the next update."""
        warm = min(1.0, (self.updates + 1) / max(1, self.warmup))
        return self.peak * warm * max(0.0, 1 - self.spent / self.total)

    def spend(self, tokens: float, passes: float) -> None:
        """Take note of an update: its target tokens on all ranks; passes done after it."""
        self.spent = passes if self.kind == "passes" else self.spent + tokens
        self.optimizer.set_lr(self.rate)

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain types."""
        return {**super().state_dict(), "spent": self.spent, "kind": self.kind}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on as saved; after another schedule, which counted none, all tokens are left.

        The budget itself is what the command line says now.
        """
        super().load_state_dict(state_dict)
        if state_dict.get("kind") == self.kind:
            self.spent = float(state_dict["spent"])


def budget_of(text: str) -> tuple[str, float]:
    """Read ``tokens=N`` or ``passes=P``.

    Raises:
        UserError: it is neither.
    """
    kind, _, number = text.partition("=")
    try:
        amount = float(number.replace("_", ""))
    except ValueError:
        amount = math.nan
    if kind not in KINDS or not amount > 0:
        raise UserError(
            "`--autoassist-budget` must be tokens=N or passes=P with a number above 0, where "
            f"`--lr-scheduler {NAME}` comes to 0, but is {text!r}; give one."
        )
    return kind, amount


def finite_budget() -> tuple[str, float] | None:
    """Return the kind and the size of the budget of this process; None: there is no end."""
    now = BudgetDecay.current
    return (now.kind, now.total) if now and math.isfinite(now.total) else None


def progress(passes: int) -> float:
    """Return the share of the budget that is spent after so many ``passes``; NaN: there is none."""
    now = BudgetDecay.current
    if now is None or not math.isfinite(now.total):
        return math.nan
    return (passes if now.kind == "passes" else now.spent) / now.total


def spend(tokens: float, passes: float) -> None:
    """Tell the scheduler of this process, if it is `BudgetDecay`, of an update."""
    if BudgetDecay.current is not None:
        BudgetDecay.current.spend(tokens, passes)
