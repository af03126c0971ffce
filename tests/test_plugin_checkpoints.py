"""Checkpoints of shrunk runs are those of translation runs: any fairseq can use them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from binarised import Binarised
from training import ENVIRONMENT, Run, Server

pytestmark = pytest.mark.slow

# fairseq-generate in an interpreter where importing the plug-in fails.
GENERATE = """
import sys
sys.modules["autoassist_fairseq"] = None
from fairseq_cli.generate import cli_main
cli_main()
"""


@pytest.fixture(scope="module")
def run(server: Server, corpus: Binarised, tmp_path_factory: pytest.TempPathFactory) -> Run:
    flags = ("--max-tokens", 100, "--max-epoch", 2, "--save-interval-updates", 20)
    run = server.train(corpus.data, tmp_path_factory.mktemp("run") / "save", *flags)
    assert run.status == 0, run.output
    return run


def test_plain_generate_decodes_without_the_plug_in(run: Run, corpus: Binarised) -> None:
    flags = ["--gen-subset", "valid", "--beam", "2", "--max-len-b", "9", "--max-tokens", "200"]
    args = [str(corpus.data), "--path", str(run.save_dir / "checkpoint_last.pt"), *flags]
    done = subprocess.run(
        [sys.executable, "-c", GENERATE, *args],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sum(line.startswith("H-") for line in done.stdout.splitlines()) == 40
    assert "Translated 40 sentences" in done.stdout + done.stderr


def test_no_type_is_stored_that_a_stock_checkpoint_does_not_hold(
    run: Run, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    import torch

    flags = ("--task", "translation", "--max-tokens", 200, "--max-epoch", 1)
    server.train(corpus.data, tmp_path, *flags)
    types = torch.serialization.get_unsafe_globals_in_checkpoint
    stock = set(types(str(tmp_path / "checkpoint_last.pt")))
    for name in ("checkpoint_last.pt", "checkpoint_1_20.pt"):
        assert set(types(str(run.save_dir / name))) <= stock


def test_the_state_loads_as_weights_only(run: Run) -> None:
    import torch
    from fairseq.autoassist_checkpoints import checkpoint_types

    path = run.save_dir / "checkpoint_1_20.pt"
    with torch.serialization.safe_globals(checkpoint_types()):
        loaded = torch.load(path, weights_only=True)
    state = loaded["extra_state"]["train_iterator"]
    assert state["iterations_in_epoch"] == 20 and state["autoassist"]["pass"] is not None


def test_the_state_is_small(run: Run, corpus: Binarised) -> None:
    import io

    import torch

    between, within = (
        torch.load(run.save_dir / name, weights_only=False)["extra_state"]["train_iterator"]
        for name in ("checkpoint1.pt", "checkpoint_1_20.pt")
    )
    sizes = []
    for state in (between, within):
        torch.save(state, file := io.BytesIO())
        sizes.append(file.tell())
    # 16 bytes per word of both dictionaries and a histogram; within a pass, live plans beside.
    assert sizes[0] < 40_000 and sizes[1] < sizes[0] + 40 * corpus.pairs + 20_000
