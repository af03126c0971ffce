"""``importance``: score a chunk by a forward pass, train on what is drawn from it.

The planner hands out chunks of ``--autoassist-presample`` batches in uniform order; the rank that
gets one scores its pairs precisely, with the model as it is, and draws a batch from it in
proportion to the score, weighted so that the chunk's mean stays unbiased (the AutoAssist paper's
appendix C; Katharopoulos and Fleuret 2018). What the scoring costs is logged as ``aa_score``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fairseq.logging import metrics
from fairseq.optim.amp_optimizer import AMPOptimizer
from numpy.typing import NDArray

from autoassist_fairseq.assistant.policies.rules import importance_draw
from autoassist_fairseq.plugin.sampler import ORDER
from autoassist_fairseq.plugin.weighting import add_weights
from autoassist_fairseq.schedule.messages import MISSING


@dataclass(frozen=True)
class Drawn:
    """A batch that was drawn from a chunk.

    Attributes:
        sample: the batch, weighted.
        rows: [draws] rows of the chunk, ascending; some may be there several times.
        chunk: rows of the whole chunk.
    """

    sample: dict[str, Any]
    rows: NDArray[np.int64]
    chunk: int

    def spread(self, losses: torch.Tensor | None) -> torch.Tensor | None:
        """Return the ``losses`` [draws] by row of the chunk; `MISSING` where none was drawn.

        A pair that was drawn several times has as many losses (dropout); the first one counts.
        """
        if losses is None:
            return None
        out = losses.new_full((self.chunk,), float(MISSING))
        rows, first = np.unique(self.rows, return_index=True)
        out[on(losses, rows)] = losses[on(losses, first)]
        return out


def draw(
    sample: dict[str, Any], model: Any, criterion: Any, optimizer: Any, parts: int, seed: list[int]
) -> Drawn:
    """Draw a batch from the chunk ``sample``.

    Args:
        sample: a collated batch with ``parts`` times the rows that are trained on.
        model: the Boss.
        criterion: its loss.
        optimizer: tells whether it runs in mixed precision.
        parts: forward passes that score it; as many on every rank, since they may be collective.
        seed: of the draw; one of its own for each chunk.
    """
    started = time.perf_counter()
    rows = len(sample["id"])
    lengths = sample["target"].ne(criterion.padding_idx).sum(-1)
    scores = torch.empty(rows, device=lengths.device)
    for part in range(parts):
        begin = rows * part // parts
        piece = slice(begin, max(begin + 1, rows * (part + 1) // parts))
        scores[piece] = utility(take(sample, piece), model, criterion, optimizer)
    # One transfer, which waits for the device.
    score, length = torch.stack([scores, lengths]).cpu().numpy()
    drawn, weights = importance_draw(score, max(1, rows // parts), np.random.default_rng(seed))
    by_row = np.argsort(drawn, kind="stable")  # rows of a batch are in order of length
    drawn, weights = drawn[by_row], weights[by_row]
    batch = take(sample, on(lengths, drawn))
    batch["ntokens"], batch["nsentences"] = int(length[drawn].sum()), len(drawn)
    add_weights(batch, weights, length[drawn])
    metrics.log_scalar("aa_score", 1e3 * (time.perf_counter() - started), 1, 1045, round=3)
    return Drawn(batch, drawn, rows)


def on(like: torch.Tensor, rows: NDArray[np.int64]) -> torch.Tensor:
    """Return ``rows`` as an index where ``like`` is."""
    return torch.from_numpy(rows).to(like.device)


def take(sample: dict[str, Any], rows: torch.Tensor | slice) -> dict[str, Any]:
    """Return the ``rows`` of a collated sample: of every tensor that has one entry for each."""
    size = len(sample["id"])

    def pick(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: pick(item) for key, item in value.items() if key != ORDER}
        if isinstance(value, torch.Tensor) and value.dim() and len(value) == size:
            return value[rows]
        return value

    picked: dict[str, Any] = pick(sample)
    return picked


@torch.no_grad()
def utility(sample: dict[str, Any], model: Any, criterion: Any, optimizer: Any) -> torch.Tensor:
    """Return each pair's score [B]: the norm of its loss's gradient at the output layer.

    For a softmax and (smoothed) targets y that is sqrt(sum over tokens of |p - y|^2).
    """
    model.eval()
    with torch.amp.autocast("cuda", enabled=isinstance(optimizer, AMPOptimizer)):
        output = model(**sample["net_input"])
        probs = model.get_normalized_probs(output, log_probs=False).float()
    target = sample["target"]
    smoothing = float(getattr(criterion, "eps", 0.0))
    others = smoothing / (probs.size(-1) - 1)
    own = probs.gather(-1, target.unsqueeze(-1)).squeeze(-1)
    label = (1 - smoothing) ** 2 + (probs.size(-1) - 1) * others**2
    squares = probs.square().sum(-1) - 2 * ((1 - smoothing - others) * own + others) + label
    kept = torch.where(target.ne(criterion.padding_idx), squares, torch.zeros_like(squares))
    return kept.clamp(min=0).sum(-1).sqrt()
