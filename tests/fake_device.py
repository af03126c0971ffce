"""A device for tests without a GPU: tensors on it are as picky as CUDA's.

Imports torch, which takes seconds: import it from slow tests only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

DEVICE = torch.device("cpu", 1)
GET_DEVICE = torch.Tensor.device.__get__  # type: ignore[attr-defined]
HOST_ONLY = {"numpy", "__array__"}
WAITS = {"cpu", "item", "tolist", "__int__", "__float__", "__bool__", "__index__", "nonzero"}
# CUDA takes an index, or what is copied, from the host as well.
MIXES = {"__getitem__", "__setitem__", "copy_", "to", "__get__"}


class OnDevice(torch.Tensor):
    """A tensor that is not with the host; what is computed from it is not either."""


class Device(TorchFunctionMode):
    """While entered, `OnDevice` tensors refuse what CUDA's refuse.

    Attributes:
        waits: names of the calls that wait for a device.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = dict(kwargs or {}), func.__name__
        tensors = [leaf for leaf in leaves([args, kwargs]) if isinstance(leaf, torch.Tensor)]
        there = [isinstance(tensor, OnDevice) for tensor in tensors]
        wanted = [leaf for leaf in leaves([args, kwargs]) if isinstance(leaf, torch.device)]
        if any(there):
            if func == GET_DEVICE:
                return DEVICE
            if name in HOST_ONLY:
                raise TypeError("can't convert a tensor on a device to numpy; use Tensor.cpu()")
            if name not in MIXES and any(
                tensor.dim() and not here for tensor, here in zip(tensors, there, strict=True)
            ):
                raise RuntimeError(f"{name}: expected all tensors to be on the same device")
            self.waits += [name] if name in WAITS else []
        if kwargs.get("device") == DEVICE:
            kwargs["device"] = None
        out = func(*args, **kwargs)
        if isinstance(out, torch.Tensor) and (wanted or name == "cpu"):
            return out.as_subclass(OnDevice if DEVICE in wanted else torch.Tensor)
        return out


def leaves(value: Any) -> Iterator[Any]:
    """Yield what is in nested containers."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        yield value
        return
    for item in value:
        yield from leaves(item)


def move(value: Any) -> Any:
    """Return a sample with its tensors on the device, as fairseq moves it."""
    if isinstance(value, dict):
        return {key: move(item) for key, item in value.items()}
    return value.as_subclass(OnDevice) if isinstance(value, torch.Tensor) else value
