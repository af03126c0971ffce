"""The mean of several models' parameters, summed in float64 whatever their stored type."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor

from autoassist_fairseq.errors import UserError


class ModelMean:
    """A running mean that holds one model's sums, so that inputs can be read one at a time.

    Floating-point entries are averaged and returned in the type of the first model. Others
    (counters, masks) have no meaningful mean: the first model's are kept. Entries that share
    memory in the first model (tied embeddings) are summed once and share memory in the result.
    """

    def __init__(self) -> None:
        self._sums: OrderedDict[str, Tensor] = OrderedDict()
        self._first: dict[str, tuple[torch.dtype, torch.Size]] = {}
        self._tied_to: dict[str, str] = {}
        self._count = 0

    def add(self, model: Mapping[str, Tensor], source: str) -> None:
        """Add one model.

        Args:
            model: parameter name to tensor, on the CPU.
            source: what to call it in an error.

        Raises:
            UserError: names, shapes, types or ties differ from the first model's, or a value is
                not a number, or infinity.
        """
        if not self._first:
            self._begin(model)
        self._check_names(model, source)
        for name, tensor in model.items():
            self._check(name, tensor, model, source)
            if name in self._tied_to or (not _has_mean(tensor) and self._count):
                continue
            self._add_one(name, tensor)
        self._count += 1

    def result(self) -> OrderedDict[str, Tensor]:
        """Return the mean in the first model's order and types; the sums are used up."""
        means: OrderedDict[str, Tensor] = OrderedDict()
        for name, (dtype, _) in self._first.items():
            if name in self._tied_to:
                means[name] = means[self._tied_to[name]]
                continue
            total = self._sums.pop(name)
            means[name] = total.div_(self._count).to(dtype) if _has_mean(total) else total
        return means

    def _begin(self, model: Mapping[str, Tensor]) -> None:
        self._first = {name: (t.dtype, t.shape) for name, t in model.items()}
        owner: dict[tuple[object, ...], str] = {}
        for name, tensor in model.items():
            keeper = owner.setdefault(_memory(tensor), name)
            if keeper != name:
                self._tied_to[name] = keeper

    def _add_one(self, name: str, tensor: Tensor) -> None:
        if name in self._sums:
            self._sums[name].add_(tensor)
        else:
            # promote_types: float64 for every float, complex128 for complex, integers as they are
            wide = torch.promote_types(tensor.dtype, torch.float64)
            self._sums[name] = tensor.to(wide if _has_mean(tensor) else tensor.dtype, copy=True)

    def _check_names(self, model: Mapping[str, Tensor], source: str) -> None:
        missing = [n for n in self._first if n not in model]
        extra = [n for n in model if n not in self._first]
        if missing or extra:
            parts = [f"lacks {_list(missing)}"] * bool(missing) + [f"adds {_list(extra)}"] * bool(
                extra
            )
            raise UserError(
                f"`--inputs` must be checkpoints of one model, but {source} {' and '.join(parts)} "
                "compared with the first; average only checkpoints of one run."
            )

    def _check(self, name: str, tensor: Tensor, model: Mapping[str, Tensor], source: str) -> None:
        dtype, shape = self._first[name]
        if (tensor.dtype, tensor.shape) != (dtype, shape):
            raise UserError(
                f"`--inputs` must be checkpoints of one model, but `{name}` is "
                f"{_kind(tensor.dtype, tensor.shape)} in {source} and {_kind(dtype, shape)} in the "
                "first; average only checkpoints of one run."
            )
        if _is_learned(name) and _has_mean(tensor) and (odd := _odd(tensor)):
            raise UserError(f"`--inputs` {source} holds {odd} in `{name}`; leave this file out.")
        keeper = self._tied_to.get(name)
        if keeper and _memory(tensor) != _memory(model[keeper]) and not tensor.equal(model[keeper]):
            raise UserError(
                f"`--inputs` must be checkpoints of one model, but {source} unties `{name}` from "
                f"`{keeper}`, which share their values in the first; average one run only."
            )


def _is_learned(name: str) -> bool:
    # fairseq asks such a buffer for its type alone, and leaves in it what memory happened to hold.
    return not name.endswith("_float_tensor")


def _odd(tensor: Tensor) -> str:
    """Return what spoils a mean; "" where nothing does. Masks may hold -inf, which stays that."""
    if bool(tensor.isnan().any()):
        return "NaN"
    return "infinity" * bool((tensor == math.inf).any())


def _has_mean(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _memory(tensor: Tensor) -> tuple[object, ...]:
    place = (tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tensor.dtype)
    return (*place, tensor.shape, tensor.stride())


def _kind(dtype: torch.dtype, shape: torch.Size) -> str:
    return f"{str(dtype).removeprefix('torch.')} {tuple(shape)}"


def _list(names: list[str]) -> str:
    shown = ", ".join(f"`{n}`" for n in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")
