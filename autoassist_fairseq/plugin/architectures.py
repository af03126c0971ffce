"""Checks of the model: which ones cannot be trained to translate."""

from __future__ import annotations

from typing import Any

from fairseq.criterions import FairseqCriterion
from fairseq.criterions.adaptive_loss import AdaptiveLoss

from autoassist_fairseq.errors import UserError


def check_layers(cfg: Any) -> None:
    """Raise `UserError` where a model's ``cfg`` has a side without layers.

    fconv architectures have no number of layers, but text: see `python_options`.
    """
    for side in ("encoder", "decoder"):
        layers = getattr(cfg, f"{side}_layers", 1)
        if isinstance(layers, int) and layers < 1:
            raise UserError(f"`--{side}-layers` must be 1 or more, but is {layers}; raise it.")


def softmax_is_adaptive(model: Any) -> bool:
    """Return whether ``model`` was built with an adaptive softmax.

    Its options do not tell: lstm architectures have cutoffs which ``adaptive_loss`` alone reads.
    """
    return getattr(getattr(model, "decoder", None), "adaptive_softmax", None) is not None


def check_adaptive(criterion: FairseqCriterion) -> None:
    """Raise `UserError` for a ``criterion`` that cannot train an adaptive softmax."""
    if not isinstance(criterion, AdaptiveLoss):
        raise UserError(
            "`--adaptive-softmax-cutoff` must go with `--criterion adaptive_loss`, but goes with "
            f"{type(criterion).__name__}, with which PyTorch cannot train an adaptive softmax; "
            "leave it out."
        )
