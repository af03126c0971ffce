"""Image sets as they were published, in miniature; and damaged, missing or of another kind."""

from __future__ import annotations

import gzip
import hashlib
import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.figure5 import readers, sets
from autoassist_fairseq.tools.figure5.images import Pixels, rotated, small

pytestmark = pytest.mark.slow

if find_spec("torchvision") is None:
    pytest.skip("torchvision is missing: the extra `images`", allow_module_level=True)
RNG = np.random.default_rng(0)


def idx(values: NDArray[np.uint8]) -> bytes:
    """An idx file of bytes: its magic, its sizes, its values."""
    head = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return head + values.tobytes()


def write_mnist(folder: Path, train: int = 5, test: int = 3) -> dict[str, NDArray[np.uint8]]:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for part, count in (("train", train), ("t10k", test)):
        arrays[part] = RNG.integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        with gzip.open(folder / f"{part}-images-idx3-ubyte.gz", "wb") as packed:
            packed.write(idx(arrays[part]))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return arrays


@pytest.mark.parametrize("below", ["", "MNIST/raw"])
def test_mnist_plain_and_gzipped(tmp_path: Path, below: str) -> None:
    arrays = write_mnist(tmp_path / below)
    train, test = readers.mnist(tmp_path)
    assert np.array_equal(train.values[..., 0], arrays["train"])
    assert np.array_equal(test.values[..., 0], arrays["t10k"])
    assert train.labels.tolist() == [0, 1, 2, 3, 4] and test.labels.tolist() == [0, 1, 2]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("name", "spoil", "says"),
    [
        ("t10k-labels-idx1-ubyte", Path.unlink, "must hold MNIST's t10k-labels.*nothing is fetch"),
        ("train-images-idx3-ubyte.gz", cut, "train-images-idx3-ubyte.gz is damaged"),
        ("train-labels-idx1-ubyte", lambda p: p.write_bytes(p.read_bytes()[:-1]), "is damaged"),
        ("train-labels-idx1-ubyte", lambda p: p.write_bytes(b"no idx file"), "is damaged"),
        ("t10k-labels-idx1-ubyte", lambda p: p.write_bytes(idx(np.zeros(2, np.uint8))), "3 images"),
        (
            "t10k-labels-idx1-ubyte",
            lambda p: p.write_bytes(idx(np.full(3, 12, np.uint8))),
            "names class 12 of 10",
        ),
    ],
)
def test_mnist_that_is_not_whole(tmp_path: Path, name: str, spoil: Any, says: str) -> None:
    write_mnist(tmp_path)
    spoil(tmp_path / name)
    with pytest.raises(UserError, match=says):
        readers.mnist(tmp_path)


def write_cifar10(folder: Path, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.uint8]:
    """The version for Python, in miniature; its checksums count as the published ones."""
    from autoassist_fairseq.tools.figure5.vision import torchvision

    kind = torchvision().datasets.CIFAR10
    data = RNG.integers(0, 256, (2, 3072), np.uint8)
    base = folder / kind.base_folder
    base.mkdir()

    def write(name: str, content: dict[str, Any]) -> str:
        packed = pickle.dumps(content)
        (base / name).write_bytes(packed)
        return hashlib.md5(packed).hexdigest()

    batch = {"data": data, "labels": [3, 9]}
    for names in ("train_list", "test_list"):
        told = [[name, write(name, batch)] for name, _ in getattr(kind, names)]
        monkeypatch.setattr(kind, names, told)
    digest = write("batches.meta", {"label_names": [str(n) for n in range(10)]})
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": digest})
    return data


def test_cifar10_for_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_cifar10(tmp_path, monkeypatch)
    train, test = readers.cifar10(tmp_path)
    assert len(train.labels) == 10 and test.labels.tolist() == [3, 9]
    assert np.array_equal(test.values[1].transpose(2, 0, 1).ravel(), data[1])
    file = tmp_path / "cifar-10-batches-py" / "data_batch_4"
    file.write_bytes(pickle.dumps({"data": data, "labels": [1, 1]}))
    with pytest.raises(UserError, match="data_batch_4 is damaged .its checksum"):
        readers.cifar10(tmp_path)
    file.unlink()
    with pytest.raises(UserError, match="must hold CIFAR10's cifar-10-batches-py/data_batch_4"):
        readers.cifar10(tmp_path)


def test_cifar10_binary(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    record = np.concatenate([[7], np.arange(3072) % 251]).astype(np.uint8)
    for number in range(1, 6):
        record.tofile(folder / f"data_batch_{number}.bin")
    with pytest.raises(UserError, match="must hold CIFAR10's cifar-10-batches-bin/test_batch.bin"):
        readers.cifar10(tmp_path)
    record.tofile(folder / "test_batch.bin")
    train, test = readers.cifar10(tmp_path)
    assert train.values.shape == (5, 32, 32, 3) and test.labels.tolist() == [7]
    assert test.values[0, 0, 1].tolist() == [1, (1024 + 1) % 251, (2048 + 1) % 251]
    record[:-4].tofile(folder / "data_batch_2.bin")
    with pytest.raises(UserError, match=r"data_batch_2.bin is damaged"):
        readers.cifar10(tmp_path)


def write_folders(folder: Path, classes: tuple[str, ...] = ("n01", "n02")) -> None:
    from PIL import Image

    for part in ("train", "val"):
        for index, name in enumerate(classes):
            place = folder / part / name
            place.mkdir(parents=True)
            for number in range(2):
                Image.new("RGB", (300, 260), (90 * index, 40, 9)).save(place / f"{number}.JPEG")


def test_folders_of_classes_as_imagenet(tmp_path: Path) -> None:
    write_folders(tmp_path)
    train, test = readers.imagenet(tmp_path)
    assert train.labels.tolist() == [0, 0, 1, 1]
    images = train.read(np.array([1, 2]))
    assert images.shape == (2, 224, 224, 3)
    assert np.abs(images[:, 100, 100].astype(int) - [[0, 40, 9], [90, 40, 9]]).max() <= 3
    assert small(test).shape == (4, 8 * 8 * 3)
    (tmp_path / "train/n02/0.JPEG").write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(UserError, match=r"n02/0.JPEG is damaged"):
        train.read(np.array([2]))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        ([], "must hold a folder train"),
        (["train/a"], "must hold a folder val|train is damaged"),
        (["train", "val"], "train is damaged"),
    ],
)
def test_folders_that_are_not_there(tmp_path: Path, make: list[str], says: str) -> None:
    for name in make:
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(UserError, match=says):
        readers.imagenet(tmp_path)


def test_classes_that_are_in_one_part_only(tmp_path: Path) -> None:
    write_folders(tmp_path)
    (tmp_path / "val/n02").rename(tmp_path / "val/n03")
    with pytest.raises(UserError, match="must hold the same classes in train and val.* has n02"):
        readers.imagenet(tmp_path)


def test_the_embedded_digits_are_all_there_and_are_turned_about_their_middle() -> None:
    train, test = readers.digits(None)
    assert (len(train.labels), len(test.labels)) == (1348, 449)
    assert train.values.shape[1:] == (32, 32, 1)
    assert sets.ImageSet("digits", train, test).found == "1,348 + 449; 32 x 32; 10"
    dot = np.zeros((4, 33, 33, 1), np.uint8)
    dot[:, 15:18, 15:18] = 255
    dot[:, 16, 28] = 255  # 12 from the middle
    turned = rotated(Pixels(dot, np.arange(4)), 1).values[..., 0].astype(float)
    assert (turned[:, 16, 16] > 250).all()
    for one in turned:
        one[12:21, 12:21] = 0
        y, x = np.average(np.argwhere(one > 0), axis=0, weights=one[one > 0])
        assert np.hypot(y - 16, x - 16) == pytest.approx(12, abs=0.3)


def test_a_set_that_is_not_embedded_needs_its_folder() -> None:
    with pytest.raises(UserError, match="`--data` must be given for `--set mnist`"):
        sets.read("mnist", None)
