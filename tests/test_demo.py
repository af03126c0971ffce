"""The demo: its arms, its closing table, and a whole small run, interrupted and resumed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.compare.arms import check_arms, parse_arm
from autoassist_fairseq.tools.compare.flags import check_flags
from autoassist_fairseq.tools.compare.jobs import Result
from autoassist_fairseq.tools.compare.table import Row
from autoassist_fairseq.tools.compare.updates import read_updates
from autoassist_fairseq.tools.demo import command
from autoassist_fairseq.tools.demo.command import closing, compare_flags, main, make_data
from autoassist_fairseq.tools.demo.settings import ARMS, DemoSettings, demo_settings
from autoassist_fairseq.tools.demo_corpus.build import Corpus

ROOT = Path(__file__).resolve().parents[1]


def test_arms_differ_in_whom_they_leave_out_alone(tmp_path: Path) -> None:
    arms = [parse_arm(f"{name}={arm}") for name, arm in ARMS.items()]
    check_arms(arms)
    assert [arm.policy for arm in arms] == ["uniform", "uniform", "random"]
    # chance drops what AutoAssist dropped, pass by pass, and nothing else is said to one arm alone
    cut, chance = ("--autoassist-hopeless", "cut"), ("--autoassist-rate", "{AutoAssist}")
    assert [arm.flags for arm in arms] == [(), cut, chance]
    words = compare_flags(DemoSettings(tmp_path))
    check_flags(words[words.index("--") + 1 :], "--")


def test_table_as_printed(tmp_path: Path) -> None:
    run = Result(60, 600_000.0, 240.4, 3.0, 79.23, "nrefs:1", 100_000.0, 6, 1)
    less = replace(run, tokens=420_000.0, seconds=180.3, bleu=80.21)
    chance = replace(less, bleu=78.0)
    rows = [
        Row(parse_arm(f"{name}={arm}"), {1: result}, {}, None)
        for (name, arm), result in zip(ARMS.items(), (run, less, chance), strict=True)
    ]
    assert closing(DemoSettings(tmp_path), rows).splitlines()[:4] == [
        "            tokens   of SGD's  seconds  of SGD's  BLEU  beside SGD",
        "SGD         600,000      1.00      240      1.00  79.2",
        "AutoAssist  420,000      0.70      180      0.75  80.2        +1.0",
        "chance      420,000      0.70      180      0.75  78.0        -1.2",
    ]
    rows[1] = Row(rows[1].arm, {}, {1: "out of luck"}, None)
    assert closing(DemoSettings(tmp_path), rows).splitlines()[2].split() == [
        "AutoAssist",
        *["failed"] * 6,
    ]


@pytest.mark.parametrize(
    ("passes", "seed", "sentence"),
    [(1, 1, "`--passes` must be at least 2, but is 1"), (2, -1, "`--seed` must be at least 0")],
)
def test_bad_options(tmp_path: Path, passes: int, seed: int, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        demo_settings(tmp_path, seed, passes, fast=False)


@pytest.mark.parametrize("name", ["corpus/train.en", "noise/train.en"])
@pytest.mark.parametrize("prepared", [False, True])
def test_files_of_others_are_not_written_over(tmp_path: Path, name: str, prepared: bool) -> None:
    mine = tmp_path / name
    mine.parent.mkdir()
    mine.write_text("mine")
    if prepared:  # beside the user's own text
        (tmp_path / ".steps").mkdir()
        (tmp_path / ".steps" / "text-train.json").touch()
    with pytest.raises(UserError, match="`--out` .* earlier result, but .* holds other files"):
        main(["--fast", "--out", str(tmp_path)])
    assert mine.read_text() == "mine" and not (tmp_path / ".lock").exists()


def test_a_demo_goes_on_that_was_killed_in_its_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(command, "write", interrupted)
        make_data(demo_settings(tmp_path, 1, None, fast=True))
    assert (tmp_path / "corpus" / "train.en").read_text() == "half"
    assert demo_settings(tmp_path, 1, None, fast=True).out == tmp_path


def interrupted(corpus: Corpus, out: Path) -> None:
    """As `write`, but it ends the run in the first file."""
    out.mkdir()
    (out / "train.en").write_text("half")
    raise KeyboardInterrupt


def test_bad_options_make_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        main(["--out", str(tmp_path / "new"), "--passes", "0"])
    assert not (tmp_path / "new").exists()


def test_a_folder_that_fairseq_would_take_for_two_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`--out` must be without `:`"):
        main(["--out", str(tmp_path / "a:b")])
    assert not [*tmp_path.iterdir()]


def demo(out: Path) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "demo.py"), "--fast", "--out", str(out)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.slow
def test_the_demo_from_nothing_to_its_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is done of its arms is not done again: test_compare_runs, of any comparison."""
    out = tmp_path / "run"
    stdout, stderr = demo(out)
    rows = [re.split(r" {2,}", line) for line in stdout.splitlines()[:4]]
    assert [row[0] for row in rows] == ["", "SGD", "AutoAssist", "chance"]
    assert "nrefs:1|case:mixed" in stdout
    pieces = (out / "data" / "pieces" / "train.de").read_text("utf-8").splitlines()
    total = sum(len(line.split()) + 1 for line in pieces)  # with the end of each sentence
    spent = {arm: tokens_of(out / "runs" / f"{arm}-1") for arm in ARMS}
    assert spent["SGD"] == [total] * 3
    assert max(spent["AutoAssist"]) < 0.92 * total  # of tokens, 20% are of others' targets
    assert sum(spent["chance"]) == pytest.approx(sum(spent["AutoAssist"]), rel=0.05)
    kinds = (out / "noise" / "kind.txt").read_text("utf-8").split()
    assert (kinds.count("shuffle"), kinds.count("half")) == (400, 200)
    assert "does not ask" not in stderr  # the page shows whom AutoAssist cut instead
    page = Path(stderr.rstrip().rpartition(": ")[2])
    assert page.is_file() and "data:image/png" in page.read_text("utf-8")

    make_data(demo_settings(out, 1, None, fast=True))
    told = capsys.readouterr().err
    assert told.count("done before, skipped") == len(told.splitlines()) > 2


def tokens_of(folder: Path) -> list[int]:
    """Target tokens of every pass."""
    passes = [0, 0, 0]
    for update in read_updates(folder / "updates.csv"):
        passes[update.epoch - 1] += round(update.tokens)
    return passes
