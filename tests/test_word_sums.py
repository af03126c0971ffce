"""The losses on words, added up on the device: exact, whatever the order, and shared by ranks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from autoassist_fairseq.schedule.messages import MISSING, Feedback

if TYPE_CHECKING:
    from autoassist_fairseq.plugin.feedback import Ticket
    from autoassist_fairseq.plugin.loss_tap import TokenLosses

pytestmark = pytest.mark.slow  # imports fairseq

WORDS, PAD = 30, 1


def batch_of(seed: int, rows: int = 6, length: int = 9) -> TokenLosses:
    import torch

    from autoassist_fairseq.plugin.loss_tap import token_losses

    generator = torch.Generator().manual_seed(seed)
    lprobs = torch.log_softmax(3 * torch.randn(rows, length, WORDS, generator=generator), -1)
    target = torch.randint(2, WORDS, (rows, length), generator=generator)
    for row in range(rows):
        target[row, length - row :] = PAD
    return (target, *token_losses(lprobs, target, PAD))


def naive(*batches: TokenLosses) -> np.ndarray:
    from autoassist_fairseq.plugin.feedback import LARGEST, STEPS

    sums = np.zeros((WORDS, 2))
    for target, nll, counted in batches:
        columns = (column.flatten().tolist() for column in (target, nll, counted))
        for word, loss, counts in zip(*columns, strict=True):
            if counts and math.isfinite(loss):
                sums[word] += round(min(loss, LARGEST) * STEPS) / STEPS, 1
    return sums


def ticket(update: int, micro: int = 0, micros: int = 1, offset: int = 0, slots: int = 6) -> Ticket:
    from autoassist_fairseq.plugin.feedback import Ticket

    return Ticket(1, update, micro, micros, offset, slots, 0)


def test_the_sums_are_those_of_a_loop_and_need_no_order() -> None:
    import torch

    from autoassist_fairseq.plugin.feedback import STEPS, add_words

    batches = [batch_of(seed) for seed in range(4)]
    sums, backwards = (torch.zeros(WORDS, 2, dtype=torch.float64) for _ in range(2))
    for batch in batches:
        add_words(sums, batch)
    for target, nll, counted in reversed(batches):
        add_words(backwards, (target.flip(0), nll.flip(0), counted.flip(0)))
    assert (sums.numpy() / (STEPS, 1)).tolist() == naive(*batches).tolist()
    assert torch.equal(sums, backwards)


def test_a_prefix_that_is_not_scored_does_not_count() -> None:
    import torch

    from autoassist_fairseq.plugin.loss_tap import token_losses

    lprobs = torch.log_softmax(torch.randn(2, 3, WORDS), -1)
    target = torch.tensor([[5, 6, 7], [8, 9, PAD]])
    nll, counted = token_losses(lprobs, target, PAD, skip=1)
    assert counted.tolist() == [[False, True, True], [False, True, False]]
    assert nll[0, 0] == 0 and nll[1, 2] == 0
    assert nll[0, 1] == -lprobs[0, 1, 6]


def test_losses_that_are_not_finite_are_left_out_and_huge_ones_bounded() -> None:
    import torch

    from autoassist_fairseq.plugin.feedback import LARGEST, STEPS, add_words

    target = torch.tensor([[4, 5, 6, 7]])
    nll = torch.tensor([[math.inf, math.nan, 1e9, 2.0]])
    sums = torch.zeros(WORDS, 2, dtype=torch.float64)
    add_words(sums, (target, nll, torch.ones(1, 4, dtype=torch.bool)))
    assert (sums[[4, 5, 6, 7]] / torch.tensor([STEPS, 1])).tolist() == [
        *([0, 0], [0, 0]),
        *([LARGEST, 1], [2, 1]),
    ]


def test_an_update_delivers_losses_as_before_and_the_words_of_all_its_batches() -> None:
    import torch

    from autoassist_fairseq.plugin.feedback import Collector

    delivered: dict[int, list[Feedback]] = {0: [], WORDS: []}
    first, second = batch_of(1), batch_of(2)
    losses = torch.tensor([0.1, 0.2, 0.3, 1 / 3, 5, 7])
    for words, into in delivered.items():
        collector = Collector(1, into.append, words=words)
        for micro, batch in enumerate((first, second)):
            now = ticket(0, micro, 2, 6 * micro, 12)
            collector.begin(now)
            own = losses if micro == 0 else None  # the second one ran out of memory
            collector.add(now, torch.arange(6), own, batch if micro == 0 or not words else batch)
        collector.end(now)
        collector.flush()
    plain, counted = delivered[0][0], delivered[WORDS][0]
    assert plain.words is None and counted.words is not None
    assert plain.losses.dtype == counted.losses.dtype == np.float32
    assert plain.losses.tolist() == counted.losses.tolist()
    assert counted.losses[6:].tolist() == [MISSING] * 6
    assert counted.words.tolist() == naive(first, second).tolist()


def test_an_update_that_broke_off_tells_nothing_of_words() -> None:
    import torch

    from autoassist_fairseq.plugin.feedback import Collector

    delivered: list[Feedback] = []
    collector = Collector(1, delivered.append, words=WORDS)
    collector.begin(ticket(0, 0, 2))
    collector.add(ticket(0, 0, 2), torch.arange(6), None, batch_of(3))
    collector.begin(ticket(1))
    assert delivered[0].words is None and delivered[0].losses.tolist() == [MISSING] * 6


def test_without_words_nothing_is_added_up() -> None:
    import torch

    from autoassist_fairseq.plugin.feedback import Collector

    delivered: list[Feedback] = []
    collector = Collector(1, delivered.append)
    collector.begin(ticket(0))
    collector.add(ticket(0), torch.arange(6), torch.ones(6), batch_of(3))
    collector.end(ticket(0))
    collector.flush()
    assert delivered[0].words is None and delivered[0].losses == pytest.approx(np.ones(6))
