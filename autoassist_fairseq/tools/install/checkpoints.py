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
import struct
import zipfile
import zlib
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
_LARGE = 1 << 20  # bytes; to read less a second time costs nothing
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


def safe_load(
    file: IO[bytes], *, map_location: Any, mapped: bool = False, verify: bool = True
) -> Any:
    """Load a checkpoint whole, without running code that it may hold.

    Args:
        file: An open checkpoint.
        map_location: As in `torch.load`.
        mapped: Leave tensors on disk until they are used (not those of torch before 1.6).
        verify: Compare every record with its checksum, which torch itself does not do.

    Raises:
        CheckpointError: The file is damaged, or holds another class or function (the message
            names it).
    """
    trusted = os.environ.get(TRUST_VARIABLE, "").lower() in {"1", "y", "yes", "true"}
    try:
        zipped = _is_zipped(file)
        records = _Records(file, at_once=mapped) if zipped and verify else None
        source = file.name if mapped and zipped else records or file
        with torch.serialization.safe_globals(checkpoint_types()):
            loaded = torch.load(
                source, map_location=map_location, weights_only=not trusted, mmap=mapped and zipped
            )
        if records is not None:
            records.check_rest()
        return loaded
    except _DAMAGE as error:
        foreign = re.search(r"(?:GLOBAL |got <class ')([\w.]+)", str(error))
        name = getattr(file, "name", "the checkpoint")
        if foreign is not None:
            raise CheckpointError(_refusal(name, foreign[1])) from None
        raise CheckpointError(_damaged(name, error)) from error


def _is_zipped(file: IO[bytes]) -> bool:
    zipped = zipfile.is_zipfile(file)
    file.seek(0)
    if not zipped and file.read(1) != pickle.PROTO:  # a pickle, as torch wrote before 1.6
        raise pickle.UnpicklingError("neither a zip archive nor a pickle")
    file.seek(0)
    return zipped


class _Records:
    """A zipped checkpoint whose records are compared with their checksums as torch reads them.

    Small ones, that of the objects among them, are compared at once.
    """

    def __init__(self, file: IO[bytes], *, at_once: bool) -> None:
        self._file, self._bad = file, ""
        # where the next bytes of a record are -> its name, its end, its checksum, that so far
        self._expected: dict[int, tuple[str, int, int, int]] = {}
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if at_once or info.compress_type or info.file_size < _LARGE:
                    archive.read(info)  # raises when the checksum does not fit
                    continue
                file.seek(info.header_offset + 26)
                start = info.header_offset + 30 + sum(struct.unpack("<HH", file.read(4)))
                self._expected[start] = info.filename, start + info.file_size, info.CRC, 0
        file.seek(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        """Read as the file does."""
        start = self._file.tell()
        data = self._file.read(size)
        self._take(start, data)
        return data

    def readinto(self, buffer: Any) -> int:
        """Read as the file does."""
        start = self._file.tell()
        count: int = self._file.readinto(buffer)  # type: ignore[attr-defined]
        self._take(start, memoryview(buffer)[:count])
        return count

    def check_rest(self) -> None:
        """Compare what torch has not read; raise if any record's checksum does not fit."""
        for start, (_, end, _, _) in list(self._expected.items()):
            self._file.seek(start)
            self.read(end - start)
        if self._bad or self._expected:
            raise zipfile.BadZipFile(f"wrong checksum of {self._bad or 'a record'}")

    def _take(self, start: int, data: Any) -> None:
        if start not in self._expected or not len(data):
            return
        name, end, checksum, so_far = self._expected.pop(start)
        now = zlib.crc32(data[: end - start], so_far)
        if start + len(data) < end:
            self._expected[start + len(data)] = name, end, checksum, now
        elif now != checksum:
            self._bad = name


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
def replacing(path: str) -> Iterator[str]:
    """Yield a place to write to; what is written there takes that of ``path``, on the disk too.

    After any failure, a power cut as well, ``path`` is what it was.
    """
    part = f"{path}.tmp"
    try:
        yield part
        _to_disk(part)
        os.replace(part, path)
        with contextlib.suppress(OSError):  # not every file system lets a folder be written out
            _to_disk(os.path.dirname(path) or ".")
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(part)
        raise


def _to_disk(path: str) -> None:
    place = os.open(path, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


@contextlib.contextmanager
def _whole(path: str, files: Any) -> Iterator[str]:
    local = files.supports_rename(path)
    try:
        with replacing(path) if local else contextlib.nullcontext(path) as part:
            yield part
    except BaseException as error:
        if not local:
            with contextlib.suppress(OSError):
                files.rm(path)
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
