"""The YAML for fairseq-hydra-train: complete, and it runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml
from binarised import Binarised
from training import USER_DIR, Run, command

from autoassist_fairseq.settings import Settings

FOLDER = Path(__file__).resolve().parents[1] / "scripts" / "hydra"
NAME = "autoassist_translation"
TINY = [
    f"model.{side}.{key}={value}"
    for side in ("encoder", "decoder")
    for key, value in (
        ("layers", 1),
        ("embed_dim", 16),
        ("ffn_embed_dim", 16),
        ("attention_heads", 2),
    )
]


def test_every_key_is_listed_with_its_default() -> None:
    listed = yaml.safe_load((FOLDER / f"{NAME}.yaml").read_text())["task"]
    defaults = dataclasses.asdict(Settings())
    del defaults["seed"], defaults["passes"]  # common.seed, optimization.max_epoch
    expected = {
        f"autoassist_{name}": ",".join(map(str, value)) if isinstance(value, tuple) else value
        for name, value in defaults.items()
    }
    assert {key: value for key, value in listed.items() if key.startswith("auto")} == expected


@pytest.mark.slow
def test_it_trains_and_the_command_line_sets_any_key(corpus: Binarised, tmp_path: Path) -> None:
    overrides = [
        *("task.autoassist_base_prob=0.25", "task.autoassist_window=64", "common.log_interval=1"),
        *("dataset.max_tokens=100", "optimization.max_epoch=2", "optimization.update_freq=[2,1]"),
        "common.reset_logging=true",  # else hydra's log format replaces fairseq's
    ]
    status, output = command(
        "fairseq-hydra-train",
        *("--config-dir", FOLDER, "--config-name", NAME),
        *(f"common.user_dir={USER_DIR}", f"task.data={corpus.data}"),
        *(f"hydra.run.dir={tmp_path}", f"checkpoint.save_dir={tmp_path}/save"),
        *(*TINY, *overrides),
    )
    run = Run(status, output, [], tmp_path / "save")
    assert run.status == 0, output
    ends = run.logged("train")
    assert [line["train_aa_pass"] for line in ends] == ["1", "2"]
    assert float(ends[0]["train_aa_keep"]) == 1 > float(ends[1]["train_aa_keep"])
    assert "'autoassist_base_prob': 0.25" in output
    assert "updates of 2 batches" in output and "updates of 1 batches, shrinking" in output
    assert "checkpoint2.pt" in run.checkpoints()


@pytest.mark.slow
def test_a_bad_value_is_one_sentence(corpus: Binarised, tmp_path: Path) -> None:
    status, output = command(
        "fairseq-hydra-train",
        *("--config-dir", FOLDER, "--config-name", NAME),
        *(f"common.user_dir={USER_DIR}", f"task.data={corpus.data}"),
        *(f"hydra.run.dir={tmp_path}", f"checkpoint.save_dir={tmp_path}/save"),
        *("task.autoassist_policy=srhink", "task.autoassist_lr=0"),
    )
    assert status == 1 and "Traceback" not in output
    assert "autoassist: error: `--autoassist-policy` must be" in output and "-lr` must" in output
