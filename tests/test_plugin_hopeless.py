"""Hopeless pairs as `fairseq-train` treats them: exact after SIGKILL, on two ranks, and logged."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from binarised import Binarised
from exactness import Setup, assert_resumes_exactly, trace
from kills import Kill, micro_batches
from train_probe import fixed_losses
from training import Run, Server

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.scores.command import main

pytestmark = pytest.mark.slow

INTERVAL, PASSES = 10, 5
# Made-up losses of two kinds, 1.4 nats apart, beside what a bigram model explains.
FIXED = {"boss": "fixed"}


def high(pair: int) -> bool:
    """Whether the made-up loss is of the upper kind."""
    (loss,) = fixed_losses(np.array([pair]))
    return bool(loss > (4.0 if pair % 2 == 0 else 2.0))


def setup_of(data: Path, ranks: int, *more: object, freq: int = 1) -> Setup:
    flags = (
        *("--autoassist-policy", "uniform", "--autoassist-hopeless", "cut"),
        *("--batch-size", 16 // ranks // freq, "--max-epoch", PASSES, "--num-workers", 0),
        *("--save-interval-updates", INTERVAL, "--dropout", 0, *more),
    )
    return Setup(data, flags, ranks, (freq,), FIXED)


def test_on_two_ranks_killed_and_resumed_equals_never_stopped(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    ranks, own = 2, ("--autoassist-features", "length,tokens,expected")
    setup = setup_of(corpus.data, ranks, *own)
    unbroken = setup.launch(server, tmp_path / "unbroken")
    assert [run.status for run in unbroken] == [0] * ranks, unbroken[0].output
    places, rng = micro_batches(unbroken), np.random.default_rng(7)
    drawn = np.sort(rng.choice(len(places), 3, replace=False))
    kills = [Kill(int(rng.integers(ranks)), places[place]) for place in drawn]
    assert_resumes_exactly(server, setup, unbroken, kills, INTERVAL, tmp_path / "broken")


@pytest.fixture(scope="module")
def cut(server: Server, corpus: Binarised, tmp_path_factory: pytest.TempPathFactory) -> Run:
    setup = setup_of(corpus.data, 1, freq=2)
    (run,) = setup.launch(server, tmp_path_factory.mktemp("cut") / "save")
    assert run.status == 0, run.output
    return run


def test_pairs_far_beyond_what_was_expected_are_cut_and_logged(cut: Run, corpus: Binarised) -> None:
    epochs = {line["epoch"]: line for line in cut.logged("train")}
    assert [float(epochs[n]["train_aa_hopeless"]) for n in (1, 2)] == [0, 0]
    third = epochs[3]
    assert 0.35 < float(third["train_aa_hopeless"]) < 0.6
    assert float(third["train_aa_keep"]) < 0.8
    assert 0 < float(third["train_aa_surprise"]) < 2
    kept, cuts = (sum(high(pair) == bad for pair in cut.trained(3)) for bad in (False, True))
    assert kept > 2 * cuts and kept > 0.8 * corpus.pairs / 2
    assert re.search(r"of 400 pairs \(\d+\.\d%\) are hopeless: surprise \d+\n", cut.output)


def test_two_ranks_cut_whom_one_cuts(
    cut: Run, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    second = setup_of(corpus.data, 2).launch(server, tmp_path / "2")
    assert {run.status for run in second} == {0}, second[0].output
    whole, other = trace([cut]), trace(second)
    for index in range(1, PASSES + 1):
        assert whole.pairs(index) == other.pairs(index)


def test_off_is_as_if_there_were_no_such_option(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    flags = ("--max-tokens", 80, "--max-epoch", 4)
    plain = server.train(corpus.data, tmp_path / "plain", *flags)
    keep = server.train(corpus.data, tmp_path / "keep", *flags, "--autoassist-hopeless", "keep")
    assert {plain.status, keep.status} == {0}, keep.output
    assert plain.losses == keep.losses
    assert "aa_hopeless" not in json.dumps(plain.logged("train"))


def test_what_was_found_is_exported(
    cut: Run, corpus: Binarised, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, last = tmp_path / "scores.tsv", cut.save_dir / "checkpoint_last.pt"
    assert main([str(last), "--out", str(out), "--data", str(corpus.data)]) == 0
    assert f"of {corpus.pairs} pairs are hopeless" in capsys.readouterr().err
    with out.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [int(row["pair"]) for row in rows] == list(range(corpus.pairs))
    assert {row["class"] for row in rows} >= {"learned", "hopeless"}
    for row in rows:
        loss, expected, surprise = (float(row[key]) for key in ("loss", "expected", "surprise"))
        assert surprise == pytest.approx(loss - expected, abs=0.005)
    hopeless = [high(int(row["pair"])) for row in rows if row["class"] == "hopeless"]
    assert np.mean(hopeless) > 0.9
    text = (corpus.data.parent / "train.de").read_text(encoding="utf-8").splitlines()
    assert [row["source"] for row in rows] == text


def test_a_run_that_did_not_look_has_nothing_to_export(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    run = server.train(corpus.data, tmp_path / "save", "--max-tokens", 80, "--max-epoch", 1)
    assert run.status == 0, run.output
    out = tmp_path / "scores.tsv"
    with pytest.raises(UserError, match="train with `--autoassist-hopeless keep`"):
        main([str(run.save_dir / "checkpoint_last.pt"), "--out", str(out)])
    assert not out.exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--autoassist-hopeless maybe", "`--autoassist-hopeless` must be one of auto, off"),
        ("--autoassist-reexamine 0", "`--autoassist-reexamine` must be in (0, 1], but is 0.0"),
        ("--autoassist-sure 1", "`--autoassist-sure` must be in (0, 1), but is 1.0"),
        (
            "--autoassist-policy importance --autoassist-hopeless keep",
            "`--autoassist-hopeless` must be off with `--autoassist-policy importance`",
        ),
    ],
)
def test_bad_options_are_told(
    flags: str, told: str, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    run = server.train(corpus.data, tmp_path, "--max-tokens", 80, *flags.split())
    assert run.status == 1 and told in run.output and "Traceback" not in run.output
