"""Weights of pairs in the loss, and in what the loss is divided by.

A policy that draws pairs with chance p and weights them 1 / p makes two sums unbiased: that of the
weighted losses (and so of their gradients), and that of the weighted tokens which they are divided
by; both are, in expectation, the sums over the pairs that were drawn from. Their quotient, the
step's mean, is consistent: its bias falls as one over the size of an update. Dividing by weighted
tokens keeps the scale of a step; dividing by the trained ones would make it N / kept times larger.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from fairseq.criterions.cross_entropy import CrossEntropyCriterion
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from numpy.typing import NDArray

# Keys that travel in a sample. Weights [B] by row are float64: fairseq makes halves of float32.
# Sizes are the (tokens, sentences) that a loss is divided by, weighted, and known to the host.
WEIGHTS, SIZES = "autoassist_weights", "autoassist_sizes"


def add_weights(sample: dict[str, Any], weights: NDArray[Any], lengths: NDArray[Any]) -> None:
    """Add ``weights`` [B] by row to a collated ``sample`` whose targets have ``lengths`` [B].

    Weights that are all 1 are left out: such a batch is trained on exactly as fairseq does.
    """
    if (weights == 1).all():
        return
    weights = weights.astype(np.float64)
    tensor = torch.from_numpy(weights)
    if torch.cuda.is_available():
        tensor = tensor.pin_memory()
    sample[WEIGHTS] = tensor.to(sample["id"].device, non_blocking=True)
    sample[SIZES] = float(weights @ lengths), float(weights.sum())


def weighted_sum(per_token: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the sum of the losses ``per_token`` [B * T] or [B * T, 1], weighted row by row."""
    return (per_token.view(len(weights), -1).sum(-1) * weights.to(per_token.dtype)).sum()


def resized(result: Any, sizes: tuple[float, float], by_sentence: bool) -> Any:
    """Return a criterion's (loss, sample size, logging output), divided as weights ask."""
    loss, _, logged = result
    size = sizes[by_sentence]
    return loss, size, {**logged, "sample_size": size}


class _LogsNll:
    """Stands in for a criterion where fairseq asks its class how to log."""

    reduce_metrics = staticmethod(LabelSmoothedCrossEntropyCriterion.reduce_metrics)


def logged_by(criterion: Any, outputs: list[dict[str, Any]]) -> Any:
    """Return what logs the logging ``outputs`` of ``criterion``: itself, as a rule.

    But ``cross_entropy`` takes its loss for the NLL, which it is not where pairs have weights.
    """
    told = type(criterion) is CrossEntropyCriterion and any("nll_loss" in one for one in outputs)
    return _LogsNll() if told else criterion
