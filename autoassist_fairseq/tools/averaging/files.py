"""Reading fairseq's checkpoints without running code from them, and writing one atomically."""

from __future__ import annotations

import argparse
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autoassist_fairseq.errors import UserError

State = dict[str, Any]


def _numpy_globals() -> list[Any]:
    # `--eval-bleu` leaves n-gram counts in the saved meters as NumPy arrays. A file says where
    # NumPy 1 or 2 kept the two functions; this process knows only one of the two places.
    reconstruct = np.empty(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    places = ("numpy.core.multiarray", "numpy._core.multiarray")
    named = ((reconstruct, "_reconstruct"), (scalar, "scalar"))
    functions = [(function, f"{place}.{name}") for place in places for function, name in named]
    types = {type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}
    return [*functions, np.ndarray, np.dtype, *types]


def _allowed_globals() -> list[Any]:
    return [argparse.Namespace, *_numpy_globals()]


def read_checkpoint(path: Path, *, verify: bool = True) -> State:
    """Read a fairseq checkpoint; tensors stay on disk (mapped) until they are used.

    Args:
        path: the file.
        verify: compare every record with its checksum, which PyTorch itself does not do.

    Raises:
        UserError: missing, damaged, not a fairseq checkpoint, or it holds objects other than
            tensors, arrays and settings (these would run code when loaded).
    """
    if not path.is_file():
        raise UserError(f"`--inputs` {path} must be an existing checkpoint file, but is not there.")
    try:
        zipped = zipfile.is_zipfile(path)
        if zipped and verify:
            _verify(path)
        with torch.serialization.safe_globals(_allowed_globals()):
            # Only the zip format, torch's since 1.6, can be mapped.
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise UserError(_refusal(path, error)) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(
            f"`--inputs` {path} is damaged or no checkpoint ({_first_line(error)}); leave it out "
            "or copy it again."
        ) from error
    model = state.get("model") if isinstance(state, dict) else None
    tensors = model.values() if isinstance(model, dict) else ()
    if not tensors or not all(isinstance(value, torch.Tensor) for value in tensors):
        raise UserError(
            f"`--inputs` {path} must be a fairseq checkpoint, but has no `model` of tensors."
        )
    checkpoint: State = state
    return checkpoint


def write_checkpoint(state: State, path: Path) -> None:
    """Write ``state`` to ``path`` whole or not at all: a failure leaves the old file as it was.

    Raises:
        UserError: the folder is missing or cannot be written, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"`--output` {path} could not be written ({_first_line(error)}); nothing was changed."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _verify(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged:
        raise zipfile.BadZipFile(f"checksum of {damaged} does not fit")


def _refusal(path: Path, error: Exception) -> str:
    try:
        known = {name for _, name in _numpy_globals()[:4]} | {"argparse.Namespace"}
        held = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
        foreign = [n for n in held if n not in known and not n.startswith("numpy.")]
    except (RuntimeError, OSError, ValueError, pickle.UnpicklingError):
        foreign = []
    what = ", ".join(f"`{name}`" for name in foreign) or _first_line(error)
    return (
        f"`--inputs` {path} must hold only tensors, arrays and settings, but holds {what}, which "
        "would run code when loaded; save it again without that object."
    )


def _first_line(error: Exception) -> str:
    # PyTorch's messages go on for paragraphs; the first clause says what happened.
    text = str(error).strip().splitlines()
    return text[0].split(". ")[0][:120] if text else type(error).__name__
