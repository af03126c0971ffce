"""Added to the corrected fairseq as ``fairseq/autoassist_compat.py``; its edits call it.

It stands alone (torch only), because the corrected fairseq must run without this package.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch


def ignoring_copies(model: torch.nn.Module) -> torch.nn.Module:
    """Let DistributedDataParallel pass over what the Transformer's encoder never trains.

    Each of its layers holds a second set of its own weights, for inference by a fused kernel. DDP
    (`--ddp-backend c10d`, the default) takes a parameter without a gradient for an error. They stay
    where they are, so that checkpoints of stock fairseq and their optimizers still fit.

    Returns:
        The model itself.
    """
    copies = [
        f"{path}.{name}"
        for path, layer in model.named_modules()
        if hasattr(layer, "load_to_BT")
        for name, _ in layer.named_parameters(recurse=False)
    ]
    parallel = torch.nn.parallel.DistributedDataParallel
    parallel._set_params_and_buffers_to_ignore_for_model(model, copies)
    return model


def on_backward(module: torch.nn.Module, hook: Callable[..., Any]) -> Any:
    """Call ``hook(module, gradients, gradients)`` for each output of a module in backward passes.

    torch's own hooks break on a Transformer: one kind needs a tensor in every output (an encoder's
    is a dict of lists), the other forbids changing outputs in place (attention does).
    """

    def watch(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        for value in output if isinstance(output, list | tuple) else [output]:
            if isinstance(value, torch.Tensor) and value.requires_grad:
                value.register_hook(lambda gradient: hook(module, (gradient,), (gradient,)))

    return module.register_forward_hook(watch)


@contextlib.contextmanager
def quiet_hydra() -> Iterator[None]:
    """Hide hydra's advice on fairseq's own YAML files, which a user cannot follow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
