"""The plug-in changes no number that it should not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from binarised import Binarised
from training import TASK, Server, train_flags

pytestmark = pytest.mark.slow

# What a clock says differs from run to run.
CLOCKS = ("wps", "ups", "wall", "train_wall", "gb_free")


def without_clocks(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in line.items() if not key.endswith(CLOCKS)} for line in lines
    ]


@pytest.mark.parametrize("criterion", ["label_smoothed_cross_entropy", "cross_entropy"])
def test_policy_off_logs_what_stock_translation_logs(
    criterion: str, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    flags = ("--max-tokens", 150, "--update-freq", 2, "--max-epoch", 2, "--criterion", criterion)
    stock = server.train(corpus.data, tmp_path / "a", "--task", "translation", *flags)
    off = server.train(corpus.data, tmp_path / "b", "--autoassist-policy", "off", *flags)
    assert stock.status == off.status == 0, off.output
    for tag, least in (("train_inner", 36), ("train", 2), ("valid", 2)):
        expected = without_clocks(stock.logged(tag))
        assert len(expected) >= least
        assert without_clocks(off.logged(tag)) == expected
    assert off.losses == stock.losses
    planned = server.train(corpus.data, tmp_path / "c", *TASK, *flags)
    ours = {key for key in planned.logged("train")[0] if key.startswith("train_aa_")}
    assert planned.logged("train")[0].keys() - ours == stock.logged("train")[0].keys()


@pytest.mark.parametrize("flags", ["--update-freq 1 --num-workers 0", "--update-freq 3"])
def test_the_assistant_learns_each_pair_s_own_loss(
    flags: str, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    epochs = ("--dropout", 0, "--max-tokens", 60, "--max-epoch", 2, "--num-workers", 2)
    command = (corpus.data, *train_flags(tmp_path, *epochs, *flags.split()))
    probe = {"rows": True}
    (run,) = server.run_ranks("fairseq-train", *command, save_dir=tmp_path, probe=probe)
    assert run.status == 0, run.output
    trained = [
        (pair, loss)
        for batch in run.of("batch")
        for pair, loss in zip(batch["ids"], batch["rows"], strict=True)
    ]
    learned = [
        (pair, loss)
        for lesson in run.of("lesson")
        for pair, loss in zip(lesson["pairs"], lesson["losses"], strict=True)
    ]
    assert len(learned) == len(trained) > 1.4 * corpus.pairs
    for epoch in (slice(corpus.pairs), slice(corpus.pairs, None)):
        assert dict(learned[epoch]) == pytest.approx(dict(trained[epoch]), rel=1e-5)
