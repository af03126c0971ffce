"""Weights of pairs in the loss, and in what the loss is divided by.

A policy that draws pairs with chance p and weights them 1 / p makes two sums unbiased: that of the
weighted losses (and so of their gradients), and that of the weighted tokens which they are divided
by; both are, in expectation, the sums over the pairs that were drawn from. Their quotient, the
step's mean, is consistent: its bias falls as one over the size of an update. Dividing by weighted
tokens keeps the scale of a step; dividing by the trained ones would make it N / kept times larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

WEIGHTING = "autoassist_weighting"


@dataclass(frozen=True)
class Weighting:
    """The weights of a batch; travels in the sample as a plain object.

    Attributes:
        weights: [B] by row, float64. Not a tensor: fairseq turns those into halves.
        tokens, sentences: what a loss is divided by, weighted. Known to the host: ranks sum them
            up by one means, whether their own batch is weighted or not.
    """

    weights: NDArray[np.float64]
    tokens: float
    sentences: float

    def size(self, by_sentence: bool) -> float:
        """Return what the weighted loss of the batch is divided by."""
        return self.sentences if by_sentence else self.tokens

    def sum(self, per_token: torch.Tensor) -> torch.Tensor:
        """Return the sum of the weighted losses.

        Args:
            per_token: [B * T] or [B * T, 1] in nats, row after row, 0 where there is padding.
        """
        per_pair = per_token.view(len(self.weights), -1).sum(-1)
        weights = torch.from_numpy(self.weights).to(per_pair.dtype)
        return (per_pair * weights.to(per_pair.device, non_blocking=True)).sum()


def add_weights(sample: dict[str, Any], weights: NDArray[Any], pad: int) -> None:
    """Add ``weights`` [B] by row to a collated ``sample`` that is still with the host.

    Weights that are all 1 are left out: such a batch is trained on exactly as fairseq does.
    """
    if (weights == 1).all():
        return
    weights = weights.astype(np.float64)
    lengths = sample["target"].ne(pad).sum(-1).numpy()
    tokens, sentences = float(weights @ lengths), float(weights.sum())
    sample[WEIGHTING] = Weighting(weights, tokens, sentences)


def resized(result: Any, weighting: Weighting, by_sentence: bool) -> Any:
    """Return a criterion's (loss, sample size, logging output), divided as weights ask."""
    loss, _, logged = result
    size = weighting.size(by_sentence)
    return loss, size, {**logged, "sample_size": size}
