"""Image sets as they were published, through torchvision's readers; nothing is fetched."""

from __future__ import annotations

import gzip
import pickle
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.figure5.images import Bytes, Files, Images, Pixels, upsampled
from autoassist_fairseq.tools.figure5.vision import torchvision

Split = tuple[Images, Images]

SIDE = 32
#: What readers raise for files that are not what they should be.
_BROKEN = (OSError, EOFError, zlib.error, pickle.UnpicklingError, AssertionError)
_WRONG = (ValueError, KeyError, IndexError, TypeError, RuntimeError)
# CIFAR10's binary version: a byte for the class, then red, green and blue.
_RECORD = 1 + 3 * 32 * 32
# ImageNet: the shorter side, and the square in the middle that is looked at.
_SHORTER, _MIDDLE = 256, 224


def digits(folder: Path | None) -> tuple[Pixels, Pixels]:
    """Return scikit-learn's 1,797 digits, 8 x 8 made 32 x 32; a quarter of them to test on."""
    from sklearn.datasets import load_digits

    found = load_digits()
    values = upsampled((found.images[..., None] * (255 / 16)).round().astype(np.uint8), SIDE)
    order = np.random.default_rng(0).permutation(len(values))
    test, train = np.sort(order[: len(order) // 4]), np.sort(order[len(order) // 4 :])
    labels = found.target.astype(np.int64)
    return Pixels(values[train], labels[train]), Pixels(values[test], labels[test])


def mnist(folder: Path) -> tuple[Pixels, Pixels]:
    """Return MNIST from its four idx files, plain or gzipped, in ``folder`` or MNIST/raw below."""
    torchvision()
    from torchvision.datasets import mnist as reader

    def split(part: str) -> Pixels:
        images = _idx(folder, f"{part}-images-idx3-ubyte", reader.read_image_file)
        labels = _idx(folder, f"{part}-labels-idx1-ubyte", reader.read_label_file)
        return _checked(folder, images.numpy()[..., None], labels.numpy(), 10)

    return split("train"), split("t10k")


def _idx(folder: Path, name: str, read: Callable[[str], Any]) -> Any:
    places = [
        place / (name + end) for place in (folder, folder / "MNIST/raw") for end in ("", ".gz")
    ]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise _missing(folder, f"MNIST's {name} (or {name}.gz)")
    with _whole(path), tempfile.NamedTemporaryFile() as plain:
        if path.suffix != ".gz":
            return read(str(path))
        with gzip.open(path) as packed:
            shutil.copyfileobj(packed, plain)
        plain.flush()
        return read(plain.name)


def cifar10(folder: Path) -> tuple[Pixels, Pixels]:
    """Return CIFAR10 from the unpacked version for Python, or the binary one."""
    if (folder / "cifar-10-batches-bin").is_dir():
        names = [f"data_batch_{number}.bin" for number in range(1, 6)], ["test_batch.bin"]
        paths = [[folder / "cifar-10-batches-bin" / name for name in some] for some in names]
        return _records(folder, paths[0]), _records(folder, paths[1])
    vision = torchvision().datasets
    kind = vision.CIFAR10
    for name, digest in (
        *kind.train_list,
        *kind.test_list,
        (kind.meta["filename"], kind.meta["md5"]),
    ):
        path = folder / kind.base_folder / name
        if not path.is_file():
            raise _missing(folder, f"CIFAR10's {kind.base_folder}/{name} (or cifar-10-batches-bin)")
        # Pickles may run what they like, so that only the published ones are opened.
        if not vision.utils.check_integrity(str(path), digest):
            raise _damaged(path, "its checksum is not the published one")
    with _whole(folder / kind.base_folder):
        found = [kind(str(folder), train=train, download=False) for train in (True, False)]
        train, test = (_checked(folder, one.data, np.array(one.targets), 10) for one in found)
    return train, test


def _records(folder: Path, paths: list[Path]) -> Pixels:
    parts = []
    for path in paths:
        if not path.is_file():
            raise _missing(folder, f"CIFAR10's {path.parent.name}/{path.name}")
        with _whole(path):
            parts.append(np.fromfile(path, np.uint8).reshape(-1, _RECORD))
    rows = np.concatenate(parts)
    values = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return _checked(paths[0], np.ascontiguousarray(values), rows[:, 0], 10)


def imagenet(folder: Path) -> tuple[Files, Files]:
    """Return ImageNet, or what is laid out like it: train/CLASS/... and val/CLASS/... ."""
    vision = torchvision().datasets
    found = []
    for part in ("train", "val"):
        if not (folder / part).is_dir():
            raise _missing(folder, f"a folder {part} with a folder of images for each class")
        with _whole(folder / part):
            found.append(vision.ImageFolder(str(folder / part)))
    train, test = found
    if train.classes != test.classes:
        some = sorted(set(train.classes) ^ set(test.classes))[0]
        raise UserError(
            f"`--data` must hold the same classes in train and val, but in {folder} only one of "
            f"them has {some}; make them alike."
        )
    return _files(train), _files(test)


def _files(found: Any) -> Files:
    paths = [Path(path) for path, _ in found.samples]
    return Files(paths, np.array(found.targets, np.int64), _load)


def _load(path: Path) -> Bytes:
    from PIL import Image

    transforms = torchvision().transforms.functional
    with _whole(path), Image.open(path) as image:
        middle = transforms.center_crop(transforms.resize(image.convert("RGB"), _SHORTER), _MIDDLE)
        return np.asarray(middle)


def _checked(path: Path, values: Bytes, labels: Any, classes: int) -> Pixels:
    if not len(values) == len(labels) > 0:
        raise _damaged(path, f"{len(values)} images have {len(labels)} classes")
    if labels.max() >= classes:
        raise _damaged(path, f"it names class {labels.max()} of {classes}")
    return Pixels(values, labels.astype(np.int64))


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    try:
        yield
    except (*_BROKEN, *_WRONG) as error:
        told = str(error).splitlines() or [type(error).__name__]
        raise _damaged(path, told[0]) from error


def _missing(folder: Path, what: str) -> UserError:
    return UserError(
        f"`--data` must hold {what}, but {folder} does not; give the folder where the published "
        "files lie, unpacked (nothing is fetched)."
    )


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"`--data` must hold files as they were published, but {path} is damaged ({reason}); get "
        "it again."
    )
