"""Weights in the loss: which sums are unbiased, and that weights of 1 change no bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_plugin_tap import CRITERIA, Boss, boss

pytestmark = pytest.mark.slow  # importing torch and fairseq takes seconds
__all__ = ["boss"]

DRAWS = 300


def gradient(name: str, boss: Boss, sample: Any) -> tuple[float, NDArray[np.float64], Any]:
    """Return the size, the gradient of the loss as one vector, and what is logged."""
    import torch
    from tapping import make_criterion, step

    from autoassist_fairseq.plugin.loss_tap import LossTap
    from autoassist_fairseq.plugin.weighting import WEIGHTING, resized

    boss.model.eval()
    criterion = make_criterion(name, boss.task)
    LossTap(criterion).listening = True
    for part in boss.model.modules():
        if isinstance(part, torch.nn.Dropout) or hasattr(part, "p"):
            part.p = 0.0
    result, gradients = step(criterion, boss.model, sample)
    if weighting := sample.get(WEIGHTING):
        result = resized(result, weighting, criterion.sentence_avg)
    vector = torch.cat([part.flatten() for part in gradients]).double().numpy()
    return float(result[1]), vector, result[2]


@pytest.mark.parametrize("name", CRITERIA)
def test_whole_weights_are_as_good_as_copies(name: str, boss: Boss) -> None:
    """A pair of weight 2 counts like a pair that is there twice, in the loss and its divisor."""
    import torch

    from autoassist_fairseq.plugin.importance import take
    from autoassist_fairseq.plugin.weighting import add_weights

    weights = np.array([1, 2, 1, 3, 1, 1, 0])
    weighted = dict(boss.sample)
    add_weights(weighted, weights, boss.task.target_dictionary.pad())
    copies = take(boss.sample, torch.from_numpy(np.repeat(np.arange(7), weights)))
    copies["ntokens"] = int(copies["target"].ne(boss.task.target_dictionary.pad()).sum())
    size, vector, logged = gradient(name, boss, weighted)
    other_size, other_vector, other = gradient(name, boss, copies)
    assert size == other_size and float(logged["loss"]) == pytest.approx(float(other["loss"]))
    assert vector == pytest.approx(other_vector, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", CRITERIA)
def test_weights_of_one_change_no_bit(name: str, boss: Boss) -> None:
    from autoassist_fairseq.plugin.weighting import add_weights

    weighted = dict(boss.sample)
    add_weights(weighted, np.ones(7, np.float32), boss.task.target_dictionary.pad())
    assert weighted.keys() == boss.sample.keys()
    size, vector, logged = gradient(name, boss, weighted)
    other_size, other_vector, other = gradient(name, boss, boss.sample)
    assert size == other_size and logged["loss"] == other["loss"]
    assert vector.tobytes() == other_vector.tobytes()


def test_infobatch_draws_keep_gradient_and_divisor(boss: Boss) -> None:
    import torch

    from autoassist_fairseq.assistant.rules import loss_table_keep
    from autoassist_fairseq.plugin.importance import take
    from autoassist_fairseq.plugin.weighting import add_weights

    keep = loss_table_keep(np.array([1, 2, 3, 4, 5, 6, 7], np.float32), 4.5, 0.6)
    pad, rng = boss.task.target_dictionary.pad(), np.random.default_rng(0)
    sums = []
    for _ in range(DRAWS):
        rows = np.flatnonzero(keep > rng.random(7))
        sample = take(boss.sample, torch.from_numpy(rows))
        sample["ntokens"] = int(sample["target"].ne(pad).sum())
        add_weights(sample, 1 / keep[rows], pad)
        size, vector, _ = gradient("cross_entropy", boss, sample)
        sums.append(np.append(vector, size))
    assert_unbiased(np.array(sums), boss)


def test_importance_draws_keep_gradient_and_divisor(boss: Boss) -> None:
    from tapping import make_criterion

    from autoassist_fairseq.plugin.importance import draw

    criterion = make_criterion("cross_entropy", boss.task)
    sums = []
    for seed in range(DRAWS):
        drawn = draw(boss.sample, boss.model, criterion, None, 2, [seed])
        assert len(drawn.rows) == len(drawn.sample["id"]) == 3 and drawn.chunk == 7
        size, vector, _ = gradient("cross_entropy", boss, drawn.sample)
        sums.append(np.append(vector, size) * 7 / 3)  # the chunk's mean, over 3 draws
    assert_unbiased(np.array(sums), boss)


def assert_unbiased(sums: NDArray[np.float64], boss: Boss) -> None:
    """The mean of ``sums`` [draws, coordinates] is the whole batch's, within sampling error.

    Compared along random directions, and in the divisor: too many coordinates to ask each.
    """
    size, vector, _ = gradient("cross_entropy", boss, boss.sample)
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(12, len(vector)))
    found = np.column_stack([sums[:, :-1] @ directions.T, sums[:, :-1] @ vector, sums[:, -1]])
    whole = np.array([*(directions @ vector), vector @ vector, size])
    error = found.std(0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(found.mean(0) - whole) < 4 * error).all()
    assert error[-2] < 0.1 * whole[-2], "the test could see a bias of a fifth"


def test_utility_is_the_norm_of_the_gradient_at_the_output(boss: Boss) -> None:
    """Checked against autograd on the logits, pair by pair, with and without smoothing."""
    import torch
    from tapping import make_criterion

    from autoassist_fairseq.plugin.importance import utility

    for name in CRITERIA[1:]:
        criterion: Any = make_criterion(name, boss.task)
        criterion.ignore_prefix_size = 0
        found = utility(boss.sample, boss.model, criterion, None)
        boss.model.eval()
        logits = boss.model(**boss.sample["net_input"])[0].detach().requires_grad_()
        loss, _ = criterion.compute_loss(boss.model, (logits, {}), boss.sample)
        (slope,) = torch.autograd.grad(loss, logits)
        expected = slope.square().sum((1, 2)).sqrt()
        assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-4)
