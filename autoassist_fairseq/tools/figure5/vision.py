"""torchvision, where it is installed: its ResNets, and its readers."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from autoassist_fairseq.errors import UserError

# What torchvision says of these two when it is imported must be there. In its build for GPUs they
# are, unless torch is the build without; of images that are classified, nobody asks for them.
_OPERATORS = ("nms", "qnms")
_TAKES = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@cache
def torchvision() -> Any:
    """Return the package; `UserError` if it is missing or does not fit torch."""
    import torch

    try:
        return importlib.import_module("torchvision")
    except ImportError as error:
        raise UserError(
            "`autoassist figure5` must have torchvision, but it cannot be imported "
            f"({error}); install it: pip install '.[images]'."
        ) from error
    except RuntimeError:
        pass
    kept = torch.library.Library("torchvision", "DEF")
    try:
        for name in _OPERATORS:
            kept.define(name + _TAKES)
        package = importlib.import_module("torchvision")
    except (ImportError, RuntimeError) as error:
        raise UserError(
            f"torchvision must fit torch {torch.__version__}, but does not ({error}); install the "
            "version that constraints.txt names beside this torch."
        ) from error
    vars(package)["autoassist_kept"] = kept  # operators go when this does
    return package
