"""The YAML for fairseq-hydra-train: complete, and it runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml
from binarised import Binarised
from omegaconf import OmegaConf
from training import USER_DIR, Run, Server, command

from autoassist_fairseq.settings import Settings

FOLDER = Path(__file__).resolve().parents[1] / "scripts" / "hydra"
NAME = "autoassist_translation"
PROGRAM = "fairseq-hydra-train"
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
    defaults = dataclasses.asdict(Settings()) | {"hopeless": "auto"}  # which settings never hold
    # common.seed, optimization.max_epoch, the parts of task.data
    del defaults["seed"], defaults["passes"], defaults["folders"]
    expected = {
        f"autoassist_{name}": ",".join(map(str, value)) if isinstance(value, tuple) else value
        for name, value in defaults.items()
    }
    assert {key: value for key, value in listed.items() if key.startswith("auto")} == expected


@pytest.mark.slow
def test_off_without_quotes_is_off() -> None:
    """YAML reads ``off`` as ``False``."""
    from autoassist_fairseq.plugin.options import AutoAssistTranslationConfig, settle_off

    task = OmegaConf.merge(
        OmegaConf.structured(AutoAssistTranslationConfig),
        OmegaConf.create("{autoassist_policy: off, autoassist_hopeless: off}"),
    )
    settle_off(task)
    assert (task.autoassist_policy, task.autoassist_hopeless) == ("off", "off")


def words(data: Path, *overrides: str) -> tuple[object, ...]:
    """What the YAML's comment gives to `PROGRAM`."""
    names = ("--config-dir", FOLDER, "--config-name", NAME)
    plug_in = (f"common.user_dir={USER_DIR}", f"task.data={data}")
    return (*names, *plug_in, *TINY, *overrides)


@pytest.mark.slow
def test_it_trains_goes_on_and_the_command_line_sets_any_key(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    overrides = (
        *("task.autoassist_policy=shrink", "task.autoassist_hopeless=off"),
        *("task.autoassist_base_prob=0.25", "task.autoassist_window=64", "common.log_interval=1"),
        *("dataset.max_tokens=100", "optimization.update_freq=[2,1]"),
        "common.reset_logging=true",  # else hydra's log format replaces fairseq's
    )
    shared = words(corpus.data, *overrides)
    status, output = command(PROGRAM, *shared, "optimization.max_epoch=1", folder=tmp_path)
    first = Run(status, output, [], tmp_path)
    run = server.run(PROGRAM, *shared, "optimization.max_epoch=2", cwd=tmp_path)
    assert (first.status, run.status) == (0, 0), first.output + run.output
    ends = [line for part in (first, run) for line in part.logged("train")]
    assert [line["train_aa_pass"] for line in ends] == ["1", "2"]
    assert float(ends[0]["train_aa_keep"]) == 1 > float(ends[1]["train_aa_keep"])
    assert "'autoassist_base_prob': 0.25" in run.output
    assert "updates of 2 batches" in first.output
    assert "updates of 1 batches, shrinking" in run.output
    assert (tmp_path / "checkpoints" / "checkpoint2.pt").is_file()


@pytest.mark.slow
def test_a_bad_value_is_one_sentence(server: Server, corpus: Binarised, tmp_path: Path) -> None:
    bad = ("task.autoassist_policy=srhink", "task.autoassist_lr=0")
    run = server.run(PROGRAM, *words(corpus.data, *bad), cwd=tmp_path)
    assert run.status == 1 and "Traceback" not in run.output
    assert "error: `--autoassist-policy` must be" in run.output and "-lr` must" in run.output
