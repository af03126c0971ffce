"""By default `fairseq-train` cuts wrong pairs from its first pass on, killed, on any ranks."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from binarised import binarise, write_split
from exactness import Setup, assert_resumes_exactly, trace
from kills import Kill, micro_batches
from noisy_pairs import spoiled
from training import TASK, Run, Server

from autoassist_fairseq.tools.scores.command import main

pytestmark = pytest.mark.slow

PAIRS, INTERVAL = 2_000, 10


def noisy(server: Server, folder: Path, seed: int, *more: object) -> Path:
    """A binarised corpus, a quarter of whose pairs are wrong."""
    for split, share in (("train", 0.25), ("valid", 0)):
        sides = spoiled(PAIRS if share else 40, share, seed)[:2]
        lines = [[" ".join(f"w{word}" for word in words) for words in side] for side in sides]
        write_split(folder, split, lines)
    binarise(server, folder, folder / "data", *more)
    return folder / "data"


@pytest.fixture(scope="module")
def data(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noisy(server, tmp_path_factory.mktemp("noisy"), 0)


def wrong_of(seed: int) -> np.ndarray:
    return spoiled(PAIRS, 0.25, seed)[2]


def setup_of(data: Path | str, ranks: int, freq: int = 1, more: tuple[object, ...] = ()) -> Setup:
    flags = (
        *TASK,  # and no option of it
        *("--batch-size", 96 // ranks // freq, "--max-epoch", 2, "--num-workers", 0),
        *("--save-interval-updates", INTERVAL, "--dropout", 0, *more),
    )
    return Setup(data, flags, ranks, (freq,))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def cut(server: Server, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    (run,) = setup_of(data, 1, freq=2).launch(server, tmp_path_factory.mktemp("cut") / "save")
    assert run.status == 0, run.output
    return run


def test_the_first_pass_leaves_them_out_and_says_so(cut: Run) -> None:
    wrong, kept = wrong_of(0), np.bincount(cut.trained(1), minlength=PAIRS)
    assert kept.max() == 1 and kept[wrong].mean() < 0.75 and kept[~wrong].mean() > 0.97
    first = cut.logged("train")[0]
    assert float(first["train_aa_hopeless"]) == pytest.approx(wrong.mean(), abs=0.07)
    assert "updates of 2 batches, keeping every pair that is not hopeless" in cut.output
    assert re.search(r"autoassist: text was read for wrong pairs in \d+\.\d s", cut.output)
    told = re.findall(r"of 2,000 pairs \(\d+\.\d%\) are hopeless: (.*)", cut.output)
    assert len(told) == 2 and re.fullmatch(r"(\w+ \d+(, )?)+", told[0])


def test_kinds_and_what_text_says_are_exported(cut: Run, tmp_path: Path) -> None:
    out = tmp_path / "scores.tsv"
    assert main([str(cut.save_dir / "checkpoint_last.pt"), "--out", str(out)]) == 0
    with out.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    chances, wrong = np.array([float(row["posterior"]) for row in rows]), wrong_of(0)
    assert chances[wrong].mean() > 0.5 and chances[~wrong].mean() < 0.1
    assert all((row["kind"] != "-") == (row["class"] == "hopeless") for row in rows)


def test_two_ranks_leave_out_whom_one_does(
    cut: Run, server: Server, data: Path, tmp_path: Path
) -> None:
    second = setup_of(data, 2).launch(server, tmp_path / "2")
    assert {run.status for run in second} == {0}, second[0].output
    whole, other = trace([cut]), trace(second)
    assert [whole.pairs(n) for n in (1, 2)] == [other.pairs(n) for n in (1, 2)]


def test_cut_and_easy_first_over_two_folders_killed_it_resumes_exactly(
    server: Server, data: Path, tmp_path: Path
) -> None:
    same = [
        word
        for option, language in (("--srcdict", "de"), ("--tgtdict", "en"))
        for word in (option, data / f"dict.{language}.txt")
    ]
    second = noisy(server, tmp_path / "noisy", 1, *same)
    ranks, easy = 2, ("--autoassist-policy", "competence", "--max-epoch", 4)
    setup = setup_of(f"{data}:{second}", ranks, more=easy)
    unbroken = setup.launch(server, tmp_path / "unbroken")
    assert {run.status for run in unbroken} == {0}, unbroken[0].output
    passes = [[pair for run in unbroken for pair in run.trained(index)] for index in (1, 2, 3, 4)]
    # Each folder is visited twice: its easy half, then almost all of it.
    kept = [*map(len, passes)]
    assert kept[0] == 20 and sorted(kept) == kept
    assert np.bincount(passes[1], minlength=PAIRS)[wrong_of(1)].sum() < 10
    share = np.bincount(passes[3], minlength=PAIRS)
    assert share[wrong_of(1)].mean() < 0.75 and share[~wrong_of(1)].mean() > 0.9
    places = micro_batches(unbroken)
    kills = [Kill(ranks - 1, places[len(places) * part // 4]) for part in (1, 3)]
    assert_resumes_exactly(server, setup, unbroken, kills, INTERVAL, tmp_path / "broken")
