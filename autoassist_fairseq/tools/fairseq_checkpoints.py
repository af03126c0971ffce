"""Added to the corrected fairseq as ``fairseq/autoassist_checkpoints.py``; its edits call it.

It stands alone (torch and NumPy only), because the corrected fairseq must run without this package.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator
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

# What loading raises for a file that is cut short, damaged, or no checkpoint at all.
_DAMAGE = (pickle.UnpicklingError, EOFError, RuntimeError, UnicodeDecodeError, zipfile.BadZipFile)
# What fairseq runs into when a checkpoint lacks something, or holds something else than expected.
_UNFIT = (KeyError, IndexError, TypeError, AttributeError, ValueError)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CheckpointError(Exception):
    """A checkpoint cannot be read, used or written; the message is one sentence for the user."""

    for_user = True


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
    """Load a checkpoint whole, without running code that it may hold.

    Args:
        file: An open checkpoint.
        map_location: As in `torch.load`.

    Raises:
        CheckpointError: The file is damaged, or holds another class or function (the message
            names it).
    """
    trusted = os.environ.get(TRUST_VARIABLE, "").lower() in {"1", "y", "yes", "true"}
    try:
        _check(file)
        with torch.serialization.safe_globals(checkpoint_types()):
            return torch.load(file, map_location=map_location, weights_only=not trusted)
    except _DAMAGE as error:
        foreign = re.search(r"(?:GLOBAL |got <class ')([\w.]+)", str(error))
        name = getattr(file, "name", "the checkpoint")
        if foreign is not None:
            raise CheckpointError(_refusal(name, foreign[1])) from None
        raise CheckpointError(_damaged(name, error)) from error


def _check(file: IO[bytes]) -> None:
    """Compare what torch's own reading does not: the checksum of every record."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as records:
            bad = records.testzip()
        if bad is not None:
            raise zipfile.BadZipFile(f"wrong checksum of {bad}")
    else:  # a pickle, as torch wrote before 1.6
        file.seek(0)
        if file.read(1) != pickle.PROTO:
            raise pickle.UnpicklingError("neither a zip archive nor a pickle")
    file.seek(0)


def _refusal(name: str, foreign: str) -> str:
    return (
        f"`{name}` may hold only tensors, numbers, text and the settings of fairseq, "
        f"but holds `{foreign}`, which could run code, so it was not loaded; "
        f"if you trust the file, set {TRUST_VARIABLE}=1."
    )


def _damaged(name: str, error: Exception) -> str:
    lines = str(error).splitlines() or [""]
    return (
        f"`{name}` must be a whole checkpoint, but is cut short, damaged or none at all "
        f"({type(error).__name__}: {lines[0].rstrip('. ')[:120]}); take another one, "
        "in training with `--restore-file`."
    )


def clear_errors(load: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``Trainer.load_checkpoint``, so that it says what does not fit, and what to do."""

    def loaded(path: str, *args: Any, **kwargs: Any) -> Any:
        _check_presence(path)
        try:
            return load(path, *args, **kwargs)
        except CheckpointError:
            raise
        except OSError as error:
            raise CheckpointError(
                f"`{path}` must be a file that can be read, but cannot ({error.strerror}); take "
                "another one with `--restore-file`."
            ) from error
        except Exception as error:
            sentence = _unfit(path, error)
            if sentence is None:
                raise
            raise CheckpointError(sentence) from error

    return loaded


def _check_presence(path: str) -> None:
    """Raise unless ``path`` is there, or is the last checkpoint, which a first start lacks."""
    first = os.path.basename(path).startswith("checkpoint_last") and not os.path.lexists(path)
    remote = "://" in path
    if not (os.path.isfile(path) or first or remote):
        found = "is a folder" if os.path.isdir(path) else "is not there"
        raise CheckpointError(
            f"`--restore-file` must be a checkpoint, but {path} {found}; name another, or leave it "
            "out to begin anew."
        )


def _unfit(path: str, error: Exception) -> str | None:
    if "Cannot load model parameters" in str(error):
        return (
            f"`--arch` with its sizes, and the dictionaries, must be those of `{path}`, but its "
            "weights do not fit this model; give the options and data of the run that saved it, "
            "or another `--save-dir` to begin anew."
        )
    other = re.match(r"(Criterion|Optimizer) does not match.* (\w+) vs (\w+)$", str(error))
    if other is not None:
        return (
            f"`--{other[1].lower()}` must be that of `{path}`, {other[2]}, but is {other[3]}; give "
            "that one, or forget the optimizer's state with `--reset-optimizer`."
        )
    if isinstance(error, _UNFIT):
        return (
            f"`{path}` must be a checkpoint of such a training, but something in it is missing or "
            f"does not fit ({type(error).__name__}: {error}); take another one with "
            "`--restore-file`, or begin anew in another `--save-dir`."
        )
    return None


def save_whole(obj: Any, path: str, files: Any) -> None:
    """Save a checkpoint so that ``path`` always is a whole one: the new one, or what was there.

    Args:
        obj: What to save.
        path: Where.
        files: fairseq's ``PathManager``.

    Raises:
        CheckpointError: It cannot be written; nothing is left of it.
    """
    with _whole(path, files) as part, files.open(part, "wb") as file:
        torch.save(obj, file)


def copy_whole(source: str, path: str, files: Any) -> None:
    """Copy a checkpoint in the way of `save_whole`."""
    with _whole(path, files) as part:
        files.copy(source, part, overwrite=True)


@contextlib.contextmanager
def _whole(path: str, files: Any) -> Iterator[str]:
    part = f"{path}.tmp" if files.supports_rename(path) else path
    try:
        yield part
        if part != path:
            os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            files.rm(part)
        cause = _system_error(error)
        if cause is None:
            raise
        raise CheckpointError(
            f"`--save-dir` must take a new checkpoint, but {path} cannot be written "
            f"({cause.strerror}), so it stays as it was; "
            + ("make room" if cause.errno in _NO_ROOM else "see to that folder")
            + ", and give the same command again to go on from the last checkpoint."
        ) from error


def _system_error(error: BaseException | None) -> OSError | None:
    """Return the system's error behind what torch makes of it."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error
