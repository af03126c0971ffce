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


def lengths_of(sample: Any, boss: Boss) -> NDArray[Any]:
    return np.asarray(sample["target"].ne(boss.task.target_dictionary.pad()).sum(-1))


def gradient(name: str, boss: Boss, sample: Any) -> tuple[float, NDArray[np.float64], Any]:
    """Return the size, the gradient of the loss as one vector, and what is logged."""
    import torch
    from tapping import make_criterion, step

    from autoassist_fairseq.plugin.loss_tap import LossTap
    from autoassist_fairseq.plugin.weighting import SIZES, resized

    boss.model.eval()
    criterion = make_criterion(name, boss.task)
    LossTap(criterion).listening = True
    for part in boss.model.modules():
        if isinstance(part, torch.nn.Dropout) or hasattr(part, "p"):
            part.p = 0.0
    result, gradients = step(criterion, boss.model, sample)
    if sizes := sample.get(SIZES):
        result = resized(result, sizes, criterion.sentence_avg)
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
    add_weights(weighted, weights, lengths_of(boss.sample, boss))
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
    add_weights(weighted, np.ones(7, np.float32), lengths_of(boss.sample, boss))
    assert weighted.keys() == boss.sample.keys()
    size, vector, logged = gradient(name, boss, weighted)
    other_size, other_vector, other = gradient(name, boss, boss.sample)
    assert size == other_size and logged["loss"] == other["loss"]
    assert vector.tobytes() == other_vector.tobytes()


def test_infobatch_draws_keep_gradient_and_divisor(boss: Boss) -> None:
    import torch

    from autoassist_fairseq.assistant.policies.rules import loss_table_keep
    from autoassist_fairseq.plugin.importance import take
    from autoassist_fairseq.plugin.weighting import add_weights

    keep = loss_table_keep(np.array([1, 2, 3, 4, 5, 6, 7], np.float32), 4.5, 0.6)
    rng = np.random.default_rng(0)
    sums = []
    for _ in range(DRAWS):
        rows = np.flatnonzero(keep > rng.random(7))
        sample = take(boss.sample, torch.from_numpy(rows))
        lengths = lengths_of(sample, boss)
        sample["ntokens"] = int(lengths.sum())
        add_weights(sample, 1 / keep[rows], lengths)
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


def test_a_pair_drawn_twice_has_one_loss() -> None:
    """The first: what a device writes twice to one place is up to chance."""
    import torch

    from autoassist_fairseq.plugin.importance import Drawn

    drawn = Drawn({}, np.array([1, 1, 1, 4, 6, 6]), 7)
    losses = drawn.spread(torch.tensor([5.0, 6, 7, 8, 9, 10]))
    assert losses is not None and losses.tolist() == [-1, 5, -1, -1, 8, -1, 9]


@pytest.mark.parametrize(("rows", "parts"), [(7, 2), (7, 3), (7, 4), (2, 3), (1, 5)])
def test_every_rank_scores_its_chunk_in_as_many_passes(rows: int, parts: int, boss: Boss) -> None:
    """And gives each pair the score that it has in one piece."""
    import torch
    from tapping import make_criterion

    from autoassist_fairseq.assistant.policies.rules import importance_draw
    from autoassist_fairseq.plugin import importance

    chunk = importance.take(boss.sample, torch.arange(rows))
    criterion, scored, seen = make_criterion("cross_entropy", boss.task), [], []

    def utility(sample: Any, *args: Any) -> Any:
        scored.append(sample["id"].tolist())
        return real(sample, *args)

    def drawing(scores: Any, *args: Any) -> Any:
        seen.append(scores)
        return importance_draw(scores, *args)

    real = importance.utility
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importance, "utility", utility)
        patch.setattr(importance, "importance_draw", drawing)
        importance.draw(chunk, boss.model, criterion, None, parts, [0])
    assert len(scored) == parts and set(sum(scored, [])) == set(chunk["id"].tolist())
    assert max(map(len, scored)) == -(-rows // parts)
    assert seen[0] == pytest.approx(real(chunk, boss.model, criterion, None).tolist(), rel=1e-5)
