"""Rows of numbers instead of sentence pairs: the same planner and policies, another model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from corpora import alone, boss_losses
from numpy.typing import NDArray

from autoassist_fairseq.assistant.corpus.vectors import Vectors
from autoassist_fairseq.assistant.trivial.vector_model import VectorModel
from autoassist_fairseq.schedule.folder import Folder
from autoassist_fairseq.schedule.messages import Feedback
from autoassist_fairseq.schedule.packing import Budget
from autoassist_fairseq.schedule.planner import Planner

ROWS, BATCH, UPDATES = 700, 8, 200
POLICIES = {
    "shrink": alone(base_prob=0.1),
    "uniform": alone(policy="uniform"),
    "random": alone(policy="random", rate=(0.0, 0.4, 0.6)),
    "self-paced": alone(policy="self-paced", pace=3),
    "importance": alone(policy="importance"),
    "loss-table": alone(policy="loss-table", updates=UPDATES),
}


def rows_of(rows: int = ROWS, numbers: int = 6, classes: int = 3) -> Vectors:
    rng = np.random.default_rng(4)
    values = rng.integers(0, 256, (rows, numbers), np.uint8)
    values[:, -1] = 7  # a number that is always the same says nothing
    return Vectors(values, rng.integers(0, classes, rows), classes)


def by_hand(
    corpus: Vectors, labels: NDArray[np.float32], lr: float
) -> tuple[list[float], NDArray[Any]]:
    """AdaGrad on a logistic regression with shared and per-class weights, in float64."""
    values = corpus.values.astype(np.float64)
    deviation = values.std(0)
    deviation[deviation == 0] = np.inf
    scaled = np.clip((values - values.mean(0)) / deviation, -5, 5) / math.sqrt(values.shape[1])
    x = np.hstack([np.ones((len(values), 1)), scaled])
    shared, own = np.zeros(x.shape[1]), np.zeros((corpus.count, x.shape[1]))
    squares, own_squares = np.full_like(shared, 1e-8), np.full_like(own, 1e-8)
    out = []
    for row, c, label in zip(x, corpus.classes, labels, strict=True):
        out.append(1 / (1 + math.exp(-(shared + own[c]) @ row)))
        gradient = (out[-1] - label) * row
        for weights, square in ((shared, squares), (own[c], own_squares[c])):
            square += gradient**2
            weights -= lr * gradient / np.sqrt(square)
    return out, np.vstack([shared, own])


def test_the_model_is_the_logistic_regression_that_it_claims_to_be() -> None:
    corpus = rows_of(120)
    labels = np.random.default_rng(1).integers(0, 2, 120).astype(np.float32)
    model = VectorModel(6, 3, 0.3)
    model.attach(corpus)
    expected, weights = by_hand(corpus, labels, 0.3)
    assert model.learn(np.arange(120), labels) == pytest.approx(np.array(expected), abs=1e-4)
    assert model.arrays["weights"] == pytest.approx(weights, abs=1e-3)
    before = model.arrays["weights"].copy()
    model.predict(np.arange(120))
    assert np.array_equal(model.arrays["weights"], before)


def test_it_learns_what_depends_on_row_and_class_together() -> None:
    corpus = rows_of(3000)
    bright = corpus.values[:, 0] > 127
    labels = (bright == (corpus.classes == 1)).astype(np.float32)  # neither alone tells
    model = VectorModel(6, 3, 0.3)
    model.attach(corpus)
    guess = model.learn(np.arange(3000), labels) > 0.5
    assert (guess == labels)[1000:].mean() > 0.9


def planner_of(name: str) -> Planner:
    return Planner(Folder.of(rows_of(), {}), Budget(0, BATCH), POLICIES[name])


LOSSES = boss_losses(np.arange(ROWS))


def go_on(
    planner: Planner, updates: int, losses: NDArray[np.float32] = LOSSES
) -> list[tuple[list[int], list[float] | None]]:
    """Train so many updates; return the rows of each, and their weights."""
    seen: list[tuple[list[int], list[float] | None]] = []
    while len(seen) < updates:
        if planner.current is None or planner.learned == planner.current.updates:
            planner.begin_pass(planner.current.index + 1 if planner.current else 1, 1)
        while planner.may_plan():
            planner.plan_next()
        plan, update = planner.live[0], planner.learned
        [rows], [weights] = plan.update(update), plan.weights_of(update)
        seen.append((rows.tolist(), None if weights is None else weights.tolist()))
        planner.learn(Feedback(plan.pass_index, update, losses[rows]))
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_plans_rows_in_full_batches_and_goes_on_exactly(name: str) -> None:
    whole = planner_of(name)
    seen = go_on(whole, UPDATES)
    sizes = [len(rows) for rows, _ in seen]
    assert max(sizes) == BATCH and np.mean(sizes) > 0.9 * BATCH
    assert any(weights for _, weights in seen) == (name in ("self-paced", "loss-table"))
    some, done = planner_of(name), 0
    for stop in (1, 50, 120):  # within the first pass, and within later ones
        go_on(some, stop - done)
        state, some, done = some.state_dict(), planner_of(name), stop
        some.load_state_dict(state)
    assert go_on(some, UPDATES - done) == seen[done:]


def test_rows_that_have_no_loss_left_are_skipped() -> None:
    planner = planner_of("shrink")
    corpus = planner.folder.corpus
    assert isinstance(corpus, Vectors)
    hard = (corpus.values[:, 0] > 127) == (corpus.classes == 1)
    go_on(planner, 88, np.where(hard, 1.0, 0.05).astype(np.float32))  # the first pass keeps all
    chances = planner.assistant.keep_probability(planner.folder.ids[:])
    assert chances[hard].mean() > 0.7 > 0.4 > chances[~hard].mean()
