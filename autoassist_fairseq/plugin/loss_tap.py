"""Takes the Boss's loss on every pair from the criterion, without changing a digit of its work."""

from __future__ import annotations

from typing import Any

import torch
from fairseq.criterions import FairseqCriterion
from fairseq.criterions.cross_entropy import CrossEntropyCriterion
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.plugin.weighting import WEIGHTS, weighted_sum
from autoassist_fairseq.schedule.messages import MISSING

# By exact class: a subclass may compute its loss elsewhere.
KNOWN = {
    LabelSmoothedCrossEntropyCriterion: "label_smoothed_cross_entropy",
    CrossEntropyCriterion: "cross_entropy",
}


class _Listener:
    """Stands in for the model while the loss is computed, and remembers its log-probabilities."""

    lprobs: torch.Tensor

    def __init__(self, model: Any) -> None:
        self._model = model

    def get_normalized_probs(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        self.lprobs = self._model.get_normalized_probs(*args, **kwargs)
        return self.lprobs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


class LossTap:
    """Wraps ``compute_loss`` of one criterion instance; its class (which resume checks) stays.

    The loss that fairseq uses is computed by the criterion's own code on the same tensors, so it
    and its gradients are bit-identical with and without the tap. Only `weighting`, for
    policies that have them, change it.

    Args:
        criterion: of one of the classes in `KNOWN`, else `UserError`.
        weighs: whether pairs may have weights. If so, every batch logs its NLL (the same keys on
            all ranks, which fairseq sums), also with ``cross_entropy``; see `weighting.logged_by`.

    Attributes:
        listening: whether the next batch is one to tap.
    """

    def __init__(self, criterion: FairseqCriterion, weighs: bool = False) -> None:
        if type(criterion) not in KNOWN:
            raise UserError(
                f"`--criterion` must be one whose losses the Assistant can read "
                f"({', '.join(KNOWN.values())}), but is {type(criterion).__name__}; use one of "
                "these, or `--autoassist-policy off`."
            )
        self._pad = criterion.padding_idx
        self._skip = getattr(criterion, "ignore_prefix_size", 0)
        self._compute_loss, self._forward = criterion.compute_loss, criterion.forward
        self._losses: torch.Tensor | None = None
        self._nll: torch.Tensor | None = None
        self.listening = False
        criterion.compute_loss = self._tapped
        if weighs:
            criterion.forward = self._logging_nll

    def _tapped(self, model: Any, net_output: Any, sample: Any, reduce: bool = True) -> Any:
        if not self.listening:
            return self._compute_loss(model, net_output, sample, reduce=reduce)
        listener, weights = _Listener(model), sample.get(WEIGHTS)
        reduce = reduce and weights is None
        result = self._compute_loss(listener, net_output, sample, reduce=reduce)
        nll, counted = token_losses(listener.lprobs, sample["target"], self._pad, self._skip)
        self._losses = pair_losses(nll, counted)
        if weights is not None:
            # What is logged as NLL stays that of the pairs trained on.
            result = weighted_sum(result[0], weights), nll.sum()
        self._nll = result[1].detach()
        return result

    def _logging_nll(self, *args: Any, **kwargs: Any) -> Any:
        loss, size, logged = self._forward(*args, **kwargs)
        return loss, size, {**logged, "nll_loss": self._nll} if self.listening else logged

    def take(self) -> torch.Tensor | None:
        """Return the losses [B] of the batch just seen, in its order, and forget them."""
        losses, self._losses = self._losses, None
        return losses


@torch.no_grad()
def token_losses(
    lprobs: torch.Tensor, target: torch.Tensor, pad: int, skip: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each token's NLL in nats, without label smoothing, and whether the token counts.

    Args:
        lprobs: [B, T, V] (or [B * T, V]) log-probabilities.
        target: [B, T] word ids.
        pad: id of padding, which does not count.
        skip: target positions at the start that do not count.

    Returns:
        [B, T] float32, 0 where a token does not count, and [B, T] bool, on the same device.
    """
    nll = -lprobs.view(*target.shape, -1).gather(-1, target.unsqueeze(-1)).squeeze(-1)
    counted = target.ne(pad)
    counted[:, :skip] = False
    # where, not a product: 0 * inf would be NaN.
    return torch.where(counted, nll.float(), nll.new_zeros((), dtype=torch.float32)), counted


@torch.no_grad()
def pair_losses(nll: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Return each pair's NLL per target token in nats, from those of `token_losses`.

    Returns:
        [B] float32 on the same device; `MISSING` where it is not finite. No synchronisation.
    """
    losses = nll.sum(-1) / counted.sum(-1)
    return torch.where(torch.isfinite(losses), losses, torch.full_like(losses, float(MISSING)))
