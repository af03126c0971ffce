"""fairseq's own flags with every policy: killed and started again, a run is as never stopped.

Here policies that differ in what they remember meet all flags at once. With
AUTOASSIST_EVERY_FLAG=1, as ``make soak`` sets it, every policy does, and meets each alone, too.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from binarised import binarise, sentences, write_split
from training import Run, Server, train_flags

pytestmark = pytest.mark.slow

POLICIES: dict[str, tuple[object, ...]] = {
    **{name: ("--autoassist-policy", name) for name in ("shrink", "uniform", "off", "random")},
    "loss-table": ("--autoassist-policy", "loss-table"),
    "importance": ("--autoassist-policy", "importance", "--max-epoch", 3),
    "self-paced": ("--autoassist-policy", "self-paced", "--autoassist-pace", 1),
    "competence": (
        "--autoassist-policy",
        "competence",
        "--autoassist-difficulty",
        "length",
        "--autoassist-pace",
        0.05,
        "--max-epoch",
        4,
    ),
    "cut": ("--autoassist-hopeless", "cut"),
}
_TWICE = ("--upsample-primary", 2, "--ignore-unused-valid-subsets")
# The folders of each: `many` has two training splits (with alignments for the first twice and the
# second) and two validation splits.
FLAGS: dict[str, tuple[object, ...]] = {
    "upsample-primary": ("many", *_TWICE),
    "combine-valid-subsets": ("many", "--combine-valid-subsets"),
    "load-alignments": ("many", "--load-alignments", *_TWICE),
    "num-batch-buckets": ("one", "--num-batch-buckets", 3),
    "truncate-source": ("one", "--truncate-source", "--max-source-positions", 8),
    "left-pad-source": ("one", "--left-pad-source"),
    "required-seq-len-multiple": ("one", "--required-seq-len-multiple", 4),
    "store-ema": ("one", "--store-ema", "--ema-update-freq", 2),
    "keep-best-checkpoints": ("one", "--keep-best-checkpoints", 2),
    "validate-interval-updates": ("one", "--validate-interval-updates", 11),
    "best-checkpoint-metric": ("one", "--best-checkpoint-metric", "nll_loss"),
    "patience": ("one", "--patience", 4, "--lr", 0),
    "finetune-from-model": ("one", "--finetune-from-model", "MODEL"),
    "two-folders": ("one:other",),
}
# But for those that would change what the others do.
TOGETHER: dict[str, tuple[object, ...]] = {
    "all": ("many", "--patience", 50)
    + tuple(
        itertools.chain.from_iterable(
            flags[1:] for name, flags in FLAGS.items() if name not in {"patience", "two-folders"}
        )
    )
}
RESETS = [f"--reset-{name}" for name in ("optimizer", "lr-scheduler", "meters", "dataloader")]
COMMON = (
    *("--batch-size", 5, "--max-tokens", 100, "--num-workers", 0, "--max-epoch", 2),
    *("--save-interval-updates", 7),
)
EVERY = bool(os.environ.get("AUTOASSIST_EVERY_FLAG"))
# These remember nothing of their own.
SOAKED = {"uniform", "random", "self-paced"}
CASES = [
    (policy, flag)
    for policy, flag in itertools.product(POLICIES, FLAGS | TOGETHER)
    if EVERY or (flag in TOGETHER and policy not in SOAKED)
]


@pytest.fixture(scope="module")
def data(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of 60, 40 and 20 pairs, and a trained model."""
    root, rng = tmp_path_factory.mktemp("flags"), np.random.default_rng(4)
    for split, pairs in (("train", 40), ("valid", 20), ("train1", 20), ("valid1", 20)):
        write_split(root / "text", split, sentences(rng, pairs, 3, 12))
    (root / "text/train.align").write_text("0-0 1-1\n" * (2 * 40 + 20))
    binarise(server, root / "text", root / "many", "--align-suffix", "align")
    same = ("--srcdict", root / "many/dict.de.txt", "--tgtdict", root / "many/dict.en.txt")
    binarise(server, root / "text", root / "one", *same)
    binarise(server, root / "text", root / "other", "--trainpref", root / "text/train1", *same)
    for side, end in itertools.product(("de", "en"), ("bin", "idx")):
        name = f"de-en.{side}.{end}"
        for split in ("train", "valid"):
            (root / "many" / f"{split}1.{name}").symlink_to(root / "other" / f"{split}.{name}")
    made = server.train(root / "one", root / "model", "--batch-size", 5, "--max-update", 3)
    assert made.status == 0, made.output
    return root


def train(server: Server, data: Path, save_dir: Path, *flags: object, kill: int = 0) -> Run:
    """Train with ``flags``, which begin with the folders; end after ``kill`` micro-batches."""
    folders = ":".join(str(data / name) for name in str(flags[0]).split(":"))
    given = [data / "model/checkpoint_last.pt" if flag == "MODEL" else flag for flag in flags[1:]]
    probe = {"kill": {"rank": 0, "steps": kill}} if kill else {}
    command = (folders, *train_flags(save_dir, *COMMON, *given))
    return server.run_ranks("fairseq-train", *command, save_dir=save_dir, probe=probe)[0]


def averages(folder: Path) -> dict[str, torch.Tensor]:
    """What the last checkpoint holds of the weights' averages, where there are any."""
    state = torch.load(folder / "checkpoint_last.pt", weights_only=False)["extra_state"]
    ema = state.get("ema", {})
    return {name: value for name, value in ema.items() if "_float_tensor" not in name}


def scores(run: Run) -> list[dict[str, object]]:
    """What was validated."""
    return [{k: v for k, v in line.items() if "loss" in k} for line in run.logged("valid")]


@pytest.mark.parametrize(("policy", "flag"), CASES)
def test_killed_and_resumed_equals_never_stopped(
    policy: str, flag: str, server: Server, data: Path, tmp_path: Path
) -> None:
    flags = (*(FLAGS | TOGETHER)[flag], *POLICIES[policy])
    whole = train(server, data, tmp_path / "whole", *flags)
    assert whole.status == 0, whole.output[-3000:]
    assert len(whole.losses) > 3
    folder = tmp_path / "parts"
    killed = train(server, data, folder, *flags, kill=len(whole.losses) * 4 // 5)
    assert killed.status == -9, killed.output[-3000:]
    resumed = train(server, data, folder, *flags)
    assert resumed.status == 0, resumed.output[-3000:]
    done = len(whole.losses) - len(resumed.losses)
    assert 0 < done <= len(killed.losses)
    assert killed.losses[:done] + resumed.losses == whole.losses
    tail = scores(resumed)
    assert tail and tail == scores(whole)[-len(tail) :]
    assert resumed.checkpoints() == whole.checkpoints()
    before, after = averages(tmp_path / "whole"), averages(folder)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    if flag not in TOGETHER:
        return
    anew = train(server, data, folder, *flags, *RESETS, "--max-update", 2)
    assert anew.status == 0 or "autoassist: error: " in anew.output.splitlines()[-1], anew.output
