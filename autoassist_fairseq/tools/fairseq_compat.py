"""Added to the corrected fairseq as ``fairseq/autoassist_compat.py``; its edits call it.

It stands alone (torch and NumPy only), because the corrected fairseq must run without this package.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pickle
import re
import warnings
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import torch

TRUST_VARIABLE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"

# Found by saving checkpoints with every optimizer, precision and `--eval-bleu`: the model's
# arguments are a Namespace, and `_bleu_counts` in the saved metrics are small NumPy arrays.
_NUMPY_TYPES: tuple[Any, ...] = (
    np.ndarray,
    np.dtype,
    *{type(np.dtype(code)) for code in np.typecodes["All"].replace("O", "")},
)
_NUMPY_MAKERS = ("_reconstruct", "scalar")  # NumPy 2 renamed numpy.core to numpy._core


def checkpoint_types() -> list[Any]:
    """List what a fairseq checkpoint may hold beside tensors and plain Python values.

    Returns:
        Classes, and (function, pickled name) pairs, as `torch.serialization.safe_globals` takes.
    """
    multiarray = np.zeros(()).__reduce__()[0].__module__  # numpy.core or numpy._core, as installed
    module = __import__(multiarray, fromlist=_NUMPY_MAKERS)
    makers = [
        (getattr(module, maker), f"{package}.multiarray.{maker}")
        for maker in _NUMPY_MAKERS
        for package in ("numpy.core", "numpy._core")
    ]
    return [argparse.Namespace, *_NUMPY_TYPES, *makers]


def safe_load(file: IO[bytes], *, map_location: Any) -> Any:
    """Load a checkpoint without running code that it may hold.

    Args:
        file: An open checkpoint.
        map_location: As in `torch.load`.

    Raises:
        pickle.UnpicklingError: The file holds another class or function; the message names it.
    """
    trusted = os.environ.get(TRUST_VARIABLE, "").lower() in {"1", "y", "yes", "true"}
    try:
        with torch.serialization.safe_globals(checkpoint_types()):
            return torch.load(file, map_location=map_location, weights_only=not trusted)
    except pickle.UnpicklingError as error:
        foreign = re.search(r"(?:GLOBAL |got <class ')([\w.]+)", str(error))
        if foreign is None:
            raise
        raise pickle.UnpicklingError(_refusal(file, foreign[1])) from None


def _refusal(file: IO[bytes], foreign: str) -> str:
    name = getattr(file, "name", "the checkpoint")
    return (
        f"`{name}` may hold only tensors, numbers, text and the settings of fairseq, "
        f"but holds `{foreign}`, which could run code, so it was not loaded; "
        f"if you trust the file, set {TRUST_VARIABLE}=1."
    )


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


@contextlib.contextmanager
def quiet_hydra() -> Iterator[None]:
    """Hide hydra's advice on fairseq's own YAML files, which a user cannot follow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
