"""autoassist figure5: whole tiny runs, killed and gone on with, to the last digit."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import alone

from autoassist_fairseq.assistant.corpus.vectors import Vectors
from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.figure5 import boss, command, results, sets, training, work
from autoassist_fairseq.tools.figure5.images import Files, Pixels, small
from autoassist_fairseq.tools.figure5.job import CHECKPOINT, DONE, Job, finish, finished
from autoassist_fairseq.tools.figure5.results import Arm
from autoassist_fairseq.tools.figure5.sets import ImageSet

if find_spec("torchvision") is None:
    pytest.skip("torchvision is missing: the extra `images`", allow_module_level=True)

ROOT = Path(__file__).parents[1]
IMAGES, BATCH, UPDATES = 150, 8, 45
Made = Callable[..., training.Training]


class KilledError(Exception):
    """The run was stopped from outside."""


def pixels(count: int, seed: int) -> Pixels:
    """Two classes: bright on the left, bright on the right; some are hard to tell."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    values = rng.integers(0, 120, (count, 8, 8, 1), np.uint8)
    for row, label in enumerate(labels):
        values[row, :, 4 * label : 4 * label + 4] += np.uint8(100)
    return Pixels(values, labels)


@pytest.mark.slow
def test_small_copies_are_kept_for_the_same_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []

    def count(images: Any) -> Any:
        counted.append(1)
        return small(images)

    monkeypatch.setattr(work, "small", count)
    paths = [tmp_path / name for name in ("a", "b")]
    one = ImageSet("some", Files(paths, np.array([0, 1]), np.load), Pixels(*[np.array([])] * 2))
    args = argparse.Namespace(out=tmp_path / "out")

    def copies(*values: int) -> list[int]:
        for path, value in zip(paths, values, strict=True):
            with path.open("wb") as stream:
                np.save(stream, np.full((8, 8, 1), value, np.uint8))
            os.utime(path, (1, 1 + value))
        return [int(copy[0]) for copy in work._small(args, one)]

    assert copies(3, 4) == copies(3, 4) == [3, 4] and len(counted) == 1
    assert copies(3, 5) == [3, 5] and len(counted) == 2, "as many files, but others"
    (tmp_path / "out" / "small-some.npz").write_bytes(b"cut")
    assert copies(3, 5) == [3, 5] and len(counted) == 3


@pytest.fixture
def tiny_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """A net of two layers in place of a ResNet, normalised by batch as that is."""

    def build(depth: int, width: int, classes: int) -> Any:
        from torch import nn

        first = (nn.Conv2d(3, 8, 3, stride=4), nn.BatchNorm2d(8), nn.ReLU())
        return nn.Sequential(*first, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, classes))

    monkeypatch.setattr(boss, "resnet", build)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_net: None) -> Made:
    """Makes a run in a folder of its own."""
    monkeypatch.setattr(training, "SAVE_SECONDS", 0.0)
    images = ImageSet("made-up", pixels(IMAGES, 1), pixels(40, 2))
    vectors = Vectors(
        images.train.read(np.arange(IMAGES)).reshape(IMAGES, -1), images.train.labels, 2
    )

    def make(policy: str, place: str) -> training.Training:
        settings = alone(policy=policy, base_prob=0.1, lr=0.1, pace=3, updates=UPDATES)
        job = Job(
            "made-up", settings, 18, 4, 0.02, 0.9, BATCH, UPDATES, 7, "cpu", 1, tmp_path / place
        )
        return training.Training(job, images, vectors, job.account("digest"))

    return make


def facts(progress: training.Progress) -> Any:
    """All that must be exact: not the seconds."""
    points = [{**point, "seconds": 0, "processor": 0} for point in progress.points]
    return progress.updates, progress.images, points, progress.windows


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["shrink", "self-paced", "importance", "loss-table"])
def test_a_run_that_is_killed_goes_on_to_the_last_digit(
    policy: str, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = facts(made(policy, "whole").run())
    step = training.Training._update

    def dies(self: training.Training, plan: Any, update: int) -> None:
        if self.progress.updates == 30:
            raise KilledError
        step(self, plan, update)

    with monkeypatch.context() as patched:
        patched.setattr(training.Training, "_update", dies)
        with pytest.raises(KilledError):
            made(policy, "killed").run()
    again = made(policy, "killed")
    assert again.progress.updates == 28  # the last test before it was killed
    assert facts(again.run()) == whole
    updates, images, tests, windows = whole
    assert (updates, len(tests)) == (UPDATES, UPDATES // 7 + 2)
    skips = sum(window["kept"] < window["considered"] for window in windows)
    assert (skips > 0) == (policy != "importance")
    assert images > 0.4 * UPDATES * BATCH


@pytest.mark.slow
def test_another_command_in_the_same_folder_is_refused(made: Made) -> None:
    run = made("uniform", "here")
    vectors = run.planner.folder.corpus
    assert isinstance(vectors, Vectors)
    run.progress.points = [{"images": 0}]
    run._save_at_times()
    job = replace(run.job, lr=0.5)
    with pytest.raises(UserError, match="`--out` must hold runs of the same command, .* other lr"):
        training.Training(job, run.images, vectors, job.account("digest"))
    finish(run.job, run.account, {"updates": 1})
    assert not (run.job.folder / CHECKPOINT).exists()
    assert finished(run.job, run.account) == {"updates": 1}
    with pytest.raises(UserError, match="other images"):
        finished(run.job, run.job.account("of other images"))
    (run.job.folder / DONE).unlink()
    (run.job.folder / CHECKPOINT).write_bytes(b"half a checkpoint")
    with pytest.raises(UserError, match="must hold whole checkpoints"):
        training.Training(run.job, run.images, vectors, run.account)


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "last"), [(18, 8 * 4), (101, 8 * 4 * 4)])
def test_a_narrow_resnet_is_the_same_resnet(depth: int, last: int) -> None:
    import torch

    narrow = boss.resnet(depth, 4, 3)
    with torch.device("meta"):
        whole = boss.resnet(depth, 64, 1000)
    assert narrow.fc.in_features == last == whole.fc.in_features // 16
    shapes, of_whole = ([*net.state_dict().values()] for net in (narrow, whole))
    pairs = list(zip(shapes, of_whole, strict=True))
    assert all(one.dim() == other.dim() for one, other in pairs)
    kernels = [(one.shape[2:], other.shape[2:]) for one, other in pairs if one.dim() == 4]
    assert all(one == other for one, other in kernels) and len(kernels) >= depth - 1


@pytest.mark.slow
def test_a_resnet_learns_and_bears_a_batch_of_one_image() -> None:
    images = pixels(32, 3)
    one = boss.Boss(18, 4, 2, 0.02, 0.9, seed=1, device="cpu", batch=16)
    rows = np.arange(16)
    losses = [one.train(images.read(rows), images.labels[rows], None).mean() for _ in range(12)]
    assert losses[-1] < 0.5 * losses[0]
    assert one.train(images.read(rows[:1]), images.labels[:1], np.array([2.0])).shape == (1,)
    accuracy, loss = one.test(images)
    assert 0 <= accuracy <= 1 and loss > 0
    scores = one.scores(images.read(rows), images.labels[rows])
    assert (scores <= np.sqrt(2) + 1e-6).all()  # p - y of two classes: both are as far off


def points(accuracy: list[float]) -> list[dict[str, float]]:
    return [
        {"images": 100.0 * n, "seconds": 2.0 * n, "processor": n, "accuracy": value, "loss": 0.0}
        for n, value in enumerate(accuracy)
    ]


def test_what_a_row_says_by_hand() -> None:
    first = {
        "pass": 1,
        "considered": 100,
        "kept": 100,
        "accuracy": 0.1,
        "majority": 0.2,
        "learned": 9,
    }
    later = {
        "pass": 2,
        "considered": 100,
        "kept": 30,
        "accuracy": 0.9,
        "majority": 0.6,
        "learned": 30,
    }
    last = {
        "pass": 2,
        "considered": 100,
        "kept": 50,
        "accuracy": 0.7,
        "majority": 0.5,
        "learned": 10,
    }
    windows = [first, later, last]
    runs = [
        {"points": points([0.1, 0.5, 0.7, 0.9, 0.9]), "windows": windows},
        {"points": points([0.3, 0.7, 0.7, 0.9, 0.9]), "windows": windows},
    ]
    row = Arm.of("digits", "shrink", runs).row(0.65)
    assert row["accuracy"] == pytest.approx((0.75 + 0.8) / 2)  # the mean of the last four
    assert row["deviation"] == pytest.approx(0.05 / np.sqrt(2))
    assert (row["images"], row["seconds"]) == (400, 8)
    assert (row["images_to_sgd"], row["seconds_to_sgd"]) == (200, 4)  # the mean curve reaches 0.7
    assert row["skipped"] == pytest.approx(1 - 80 / 200)
    assert row["assistant"] == pytest.approx(0.85) and row["majority"] == pytest.approx(0.575)
    assert Arm.of("digits", "shrink", runs).reached(0.95)["images"] is None
    assert results.rates(runs[0]) == (0.0, 0.6)


@pytest.mark.slow
def test_the_command_from_images_to_page(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tiny_net: None,
) -> None:
    few = replace(sets.SETS["digits"], load=lambda _: (pixels(200, 1), pixels(40, 2)), passes=4)
    monkeypatch.setitem(sets.SETS, "digits", few)
    options = ["--set", "digits", "--policies", "uniform", "random", "shrink", "--seeds", "1", "2"]
    options += ["--width", "4", "--out", str(tmp_path), "--theorem1", "t"]
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "theorem1.html").write_text("")
    assert command.main(options) == 0
    said = capsys.readouterr()
    assert "200 + 40; 8 x 8; 2" in said.out and "shrink" in said.out
    assert said.err.count("done before") == 0
    page = (tmp_path / "figure5.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 3 and 'href="t/theorem1.html"' in page
    assert command.main([*options, "--json"]) == 0
    said = capsys.readouterr()
    assert said.err.count("done before") == 6
    rows = {row["policy"]: row for row in json.loads(said.out)["rows"]}
    assert list(rows) == ["uniform", "shrink", "random"]
    assert all(row["images"] == pytest.approx(800, abs=48) for row in rows.values())
    assert rows["uniform"]["skipped"] == 0 and rows["uniform"]["images_to_sgd"] is not None
    # The control skips as many as `shrink`, whichever they are.
    assert rows["shrink"]["skipped"] > 0.1
    assert rows["random"]["skipped"] == pytest.approx(rows["shrink"]["skipped"], abs=0.1)


@pytest.mark.parametrize("package", ["jinja2", "matplotlib", "sklearn"])
def test_what_is_needed_after_training_is_looked_for_before(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(work, "run", lambda args: ({}, []))
    told = rf"`autoassist figure5` needs the package `{package}`.* \[images\]"
    with pytest.raises(UserError, match=told):
        command.main(["--out", str(tmp_path / "new")])
    assert not (tmp_path / "new").exists()
    (extra,) = re.findall(r'"images": \[(.*)\]', (ROOT / "setup.py").read_text("utf-8"))
    assert f'"{package.replace("sk", "scikit-")}"' in extra


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--width", "0", "--lr", "-1"], "`--width` must be .*; `--lr` must be"),
        (["--seeds", "1", "1"], "`--seeds` must name each once"),
        (["--seeds", "-1"], "`--seeds` must be 0 or more"),
        (["--momentum", "1"], r"`--momentum` must be in \[0, 1\)"),
        (["--set", "cifar10"], "`--data` must be given for `--set cifar10`"),
        (["--device", "cuda:77"], "`--device` must be one that torch can use"),
        (
            ["--base-prob", "0", "--pace", "0", "--assistant-lr", "-1"],
            "`--pace` must be .*`--base-prob` must be .*`--assistant-lr` must be",
        ),
    ],
)
def test_options_that_will_not_do(tmp_path: Path, options: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        command.main([*options, "--out", str(tmp_path / "out")])
