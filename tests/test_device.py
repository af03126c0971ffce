"""What only a GPU would show: no host-only calls on its tensors, no waiting that is not meant."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_plugin_tap import Boss, boss

pytestmark = pytest.mark.slow  # importing torch and fairseq takes seconds
__all__ = ["boss"]

NAME = "label_smoothed_cross_entropy"


def on_device(boss: Boss) -> tuple[Any, Any]:
    """Return a stand-in for the model, and a sample, on the device."""
    import torch
    from fake_device import OnDevice, move

    torch.manual_seed(0)
    table = torch.randn(40, len(boss.task.target_dictionary)).as_subclass(OnDevice)

    class Model(torch.nn.Module):
        def forward(self, src_tokens: Any, prev_output_tokens: Any, **_: Any) -> Any:
            return (table[prev_output_tokens],)

        def get_normalized_probs(self, output: Any, log_probs: bool, sample: Any = None) -> Any:
            return (torch.log_softmax if log_probs else torch.softmax)(output[0], -1)

        def get_targets(self, sample: Any, output: Any) -> Any:
            return sample["target"]

    return Model(), move(boss.sample)


def test_importance_waits_once(boss: Boss) -> None:
    from fake_device import Device, OnDevice
    from tapping import make_criterion

    from autoassist_fairseq.plugin.importance import draw
    from autoassist_fairseq.plugin.weighting import SIZES, WEIGHTS

    criterion = make_criterion(NAME, boss.task)
    with Device() as device:
        model, sample = on_device(boss)
        drawn = draw(sample, model, criterion, None, 2, [0])
        losses = drawn.spread(drawn.sample[WEIGHTS].float())
    assert device.waits == ["cpu"]
    assert isinstance(losses, OnDevice) and isinstance(drawn.sample[WEIGHTS], OnDevice)
    assert isinstance(drawn.sample["ntokens"], int) and isinstance(drawn.sample[SIZES][0], float)


def test_tap_weights_and_collector_do_not_wait(boss: Boss) -> None:
    from fake_device import Device, OnDevice, move
    from tapping import make_criterion

    from autoassist_fairseq.plugin.feedback import Collector, Ticket
    from autoassist_fairseq.plugin.loss_tap import LossTap
    from autoassist_fairseq.plugin.weighting import WEIGHTS, add_weights

    sample = dict(boss.sample)
    add_weights(sample, np.arange(1, 8), np.arange(3, 10))
    criterion = make_criterion(NAME, boss.task)
    told: list[Any] = []
    tap = LossTap(criterion)
    tap.listening = True
    collector, ticket = Collector(1, told.append), Ticket(1, 0, 0, 1, 0, 7, 0)
    with Device() as device:
        model, _ = on_device(boss)
        sample = move(sample)
        loss, _, _ = criterion(model, sample)
        assert isinstance(loss, OnDevice) and isinstance(sample[WEIGHTS], OnDevice)
        collector.begin(ticket)
        collector.add(ticket, sample["id"].argsort(), tap.take())
        assert not device.waits
        collector.end(ticket)
        collector.flush()
    assert len(told) == 1 and (told[0].losses > 0).all()


@pytest.mark.parametrize(
    ("error", "shared"),
    [
        (None, True),
        (RuntimeError("CUDA out of memory. Tried to allocate"), True),
        (RuntimeError("shapes do not fit"), False),
        (ValueError("by a criterion"), False),
    ],
)
def test_what_breaks_off_shares_nothing(
    error: Exception | None, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An all-reduce on the way out would meet the gradients of the other ranks."""
    import torch
    from fairseq.tasks.translation import TranslationTask

    from autoassist_fairseq.plugin.feedback import Ticket
    from autoassist_fairseq.plugin.sampler import ORDER, TICKET
    from autoassist_fairseq.plugin.task import AutoAssistTranslationTask as Task

    def step(*args: Any, **kwargs: Any) -> Any:
        if error is not None:
            raise error
        return 0, 1, {}

    finished: list[Any] = []
    monkeypatch.setattr(TranslationTask, "train_step", step)
    monkeypatch.setattr(Task, "_begin", lambda task, ticket, update: True)
    monkeypatch.setattr(Task, "_finish", lambda task, *args: finished.append(args))
    monkeypatch.setattr(Task, "_draw", lambda task, *args: None)
    task: Any = Task.__new__(Task)
    task._tap = SimpleNamespace(listening=False, take=lambda: None)
    sample = {TICKET: Ticket(1, 0, 0, 1, 0, 7, 0), ORDER: torch.arange(7)}
    try:
        task.train_step(sample, None, None, None, 0)
    except Exception as raised:
        assert raised is error
    assert bool(finished) == shared and not task._tap.listening
