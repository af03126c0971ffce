"""The corrected fairseq as installed: what the stock one cannot do on this stack."""

from __future__ import annotations

import decimal
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training import Server

import autoassist_fairseq

pytestmark = pytest.mark.slow
REPOSITORY = Path(autoassist_fairseq.__file__ or "").parents[1]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
FLAGS = (
    "--arch transformer_tiny --optimizer adam --lr 1e-3 --max-tokens 300 "
    "--criterion label_smoothed_cross_entropy --label-smoothing 0.1 --cpu --num-workers 0 "
    "--log-format json --log-interval 1 --seed 3"
)
BLEU = "--eval-bleu --eval-bleu-detok space"
GLOO = "--distributed-backend gloo --ddp-backend legacy_ddp"


def call(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of fairseq's commands."""
    name, *arguments = command.split()
    return subprocess.run(
        [Path(sys.executable).with_name(name), *arguments],
        cwd=folder,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def succeed(command: str, folder: Path, **environment: str) -> str:
    """Run a command that must succeed, and return all that it said."""
    done = call(command, folder, **environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def losses(log: str) -> list[str]:
    """The loss of every update, as logged."""
    return [
        json.loads(line.split(" | ")[-1])["loss"]
        for line in log.splitlines()
        if " train_inner | " in line
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A binarised corpus of 200 reversed sentences, in `bin`."""
    root = tmp_path_factory.mktemp("corpus")
    rng = random.Random(1)
    for split, pairs in (("train", 200), ("valid", 30), ("test", 30)):
        sentences = [rng.choices("abcdefgh", k=rng.randint(2, 12)) for _ in range(pairs)]
        for side, step in (("en", 1), ("de", -1)):
            lines = [" ".join(sentence[::step]) + "\n" for sentence in sentences]
            (root / f"{split}.{side}").write_text("".join(lines), encoding="utf-8")
    splits = "--trainpref train --validpref valid --testpref test"
    succeed(f"fairseq-preprocess -s en -t de {splits} --destdir bin", root)
    return root


@pytest.fixture(scope="module")
def trained(folder: Path) -> str:
    """The log of two epochs in one go; checkpoints lie in `whole`."""
    return succeed(f"fairseq-train bin {FLAGS} {BLEU} --max-epoch 2 --save-dir whole", folder)


def train(server: Server, folder: Path, flags: str, name: str, ranks: int = 1) -> list[str]:
    """Train as `trained` does, but in a fork of a process that has imported fairseq."""
    where = ("--save-dir", folder / name)
    command = (folder / "bin", *f"{FLAGS} {flags}".split(), *where)
    runs = server.run_ranks("fairseq-train", *command, ranks=ranks)
    assert [run.status for run in runs] == [0] * ranks, runs[0].output[-3000:]
    return [run.output for run in runs]


def test_a_resumed_run_goes_on_as_if_never_stopped(
    server: Server, folder: Path, trained: str
) -> None:
    (first,) = train(server, folder, f"{BLEU} --max-epoch 1", "parts")
    (second,) = train(server, folder, f"{BLEU} --max-epoch 2", "parts")
    assert f"Loaded checkpoint {folder}/parts/checkpoint_last.pt" in second
    assert len(losses(first)) > 1
    assert losses(first) + losses(second) == losses(trained)


def test_checkpoints_hold_numpy_counts_of_bleu(folder: Path, trained: str) -> None:
    # otherwise the test above proves nothing of the allow-list
    held = torch.serialization.get_unsafe_globals_in_checkpoint(
        folder / "whole" / "checkpoint_last.pt"
    )
    assert {"numpy.ndarray", "argparse.Namespace"} <= set(held)


def test_the_log_is_free_of_what_a_user_cannot_change(trained: str) -> None:
    for word in ("hydra", "amp", "pin_memory", "DeprecationWarning", "FutureWarning"):
        assert not [line for line in trained.splitlines() if word in line and "Warning" in line]


def test_padded_batches_are_translated(folder: Path, trained: str) -> None:
    said = succeed(
        "fairseq-generate bin --path whole/checkpoint_best.pt --cpu --batch-size 8", folder
    )
    assert said.count("\nH-") == 30


def test_scores_of_whole_files(folder: Path) -> None:
    said = succeed("fairseq-score -s test.de -r test.de --sacrebleu", folder)
    assert "BLEU = 100.00" in said


def test_it_trains_on_the_cpu(server: Server, folder: Path) -> None:
    flags = "--memory-efficient-bf16 --num-batch-buckets 3 --max-update 3 --no-save"
    (said,) = train(server, folder, flags, "buckets")
    assert len(losses(said)) == 3


def test_a_foreign_type_in_a_checkpoint_is_refused(folder: Path, trained: str) -> None:
    path = folder / "whole" / "checkpoint_last.pt"
    state = torch.load(path, weights_only=False)
    state["extra_state"]["price"] = decimal.Decimal(1)
    torch.save(state, folder / "foreign.pt")
    command = "fairseq-generate bin --path foreign.pt --cpu"
    refused = call(command, folder)
    assert refused.returncode == 1
    last = refused.stderr.strip().splitlines()[-1]
    assert "`foreign.pt` may hold only" in last
    assert "but holds `decimal.Decimal`" in last
    trusted = call(command, folder, TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD="1")
    assert trusted.returncode == 0, trusted.stderr[-2000:]


def test_two_ranks_resume(server: Server, folder: Path) -> None:
    train(server, folder, f"{GLOO} --max-epoch 1", "ranks", ranks=2)
    said = train(server, folder, f"{GLOO} --max-epoch 2", "ranks", ranks=2)
    assert f"Loaded checkpoint {folder}/ranks/checkpoint_last.pt" in said[0]
    assert "end of epoch 2" in said[0]


@pytest.mark.parametrize("given", ["autoassist_fairseq", str(REPOSITORY / "autoassist_fairseq")])
def test_user_dir_and_the_installed_package_are_one(given: str) -> None:
    # fairseq refuses a user-dir whose name is already imported from another path
    code = (
        "import autoassist_fairseq, argparse; from fairseq import tasks, utils; "
        f"utils.import_user_module(argparse.Namespace(user_dir={given!r})); "
        "import autoassist_fairseq.plugin; print('autoassist_translation' in tasks.TASK_REGISTRY)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "True", done.stderr
