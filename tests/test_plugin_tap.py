"""The tap on the loss: not a bit of the Boss's work changes, and what it reads is the loss."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest

pytestmark = pytest.mark.slow  # importing torch and fairseq takes seconds

CRITERIA = (
    "label_smoothed_cross_entropy",
    "label_smoothed_cross_entropy, all options",
    "cross_entropy",
)


class Boss(NamedTuple):
    """What one training step takes."""

    task: Any
    model: Any
    sample: Any


@pytest.fixture(scope="module")
def boss() -> Boss:
    import tapping

    task = tapping.make_task()
    return Boss(task, tapping.make_model(task), tapping.make_sample(task))


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("listening", [True, False])
def test_loss_and_gradients_are_the_same_to_the_bit(name: str, listening: bool, boss: Boss) -> None:
    import torch
    from tapping import make_criterion, step

    from autoassist_fairseq.plugin.loss_tap import LossTap

    plain, tapped = make_criterion(name, boss.task), make_criterion(name, boss.task)
    LossTap(tapped).listening = listening
    (loss, size, log), gradients = step(plain, boss.model, boss.sample)
    (other_loss, other_size, other_log), other_gradients = step(tapped, boss.model, boss.sample)
    assert torch.equal(loss, other_loss) and size == other_size
    assert {k: float(v) for k, v in log.items()} == {k: float(v) for k, v in other_log.items()}
    assert len(gradients) == len(other_gradients) > 20
    assert all(map(torch.equal, gradients, other_gradients))
    assert type(tapped) is type(plain), "resume compares the class"


@pytest.mark.parametrize("name", CRITERIA)
def test_the_losses_are_those_of_each_row_alone(name: str, boss: Boss) -> None:
    from tapping import losses_row_by_row, make_criterion, step

    from autoassist_fairseq.plugin.loss_tap import LossTap

    criterion = make_criterion(name, boss.task)
    tap = LossTap(criterion)
    tap.listening = True
    (_, _, log), _ = step(criterion, boss.model, boss.sample)
    losses = tap.take()
    assert losses is not None and not losses.requires_grad
    skip, pad = getattr(criterion, "ignore_prefix_size", 0), boss.task.target_dictionary.pad()
    expected = losses_row_by_row(boss.model, boss.sample, pad, skip)
    assert losses.tolist() == pytest.approx([loss / words for loss, words in expected], rel=1e-5)
    # The criterion's own sum without smoothing; plain cross entropy is just that.
    total = sum(loss for loss, _ in expected)
    assert float(log.get("nll_loss", log["loss"])) == pytest.approx(total, rel=1e-5)
    assert tap.take() is None, "a loss is taken once"


def test_nothing_is_read_from_validation(boss: Boss) -> None:
    from tapping import make_criterion

    from autoassist_fairseq.plugin.loss_tap import LossTap

    criterion = make_criterion(CRITERIA[0], boss.task)
    tap = LossTap(criterion)
    criterion(boss.model, boss.sample)
    assert tap.take() is None


def test_a_loss_that_is_not_finite_counts_as_missing() -> None:
    import torch

    from autoassist_fairseq.plugin.loss_tap import pair_losses, token_losses

    lprobs = torch.log(torch.tensor([[[0.5, 0.5], [1.0, 0.0]], [[0.25, 0.75], [0.5, 0.5]]]))
    losses = pair_losses(*token_losses(lprobs, torch.tensor([[1, 1], [1, 1]]), pad=9))
    assert losses.tolist() == [-1, pytest.approx((math.log(4 / 3) + math.log(2)) / 2)]
    padded = pair_losses(*token_losses(lprobs, torch.tensor([[1, 0], [0, 0]]), pad=0))
    assert padded.tolist() == [pytest.approx(math.log(2)), -1], "an empty target has no loss"
