"""make bench: which rows miss their target, how programs are watched, and how it ends."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.bench import command, planning, programs, training
from autoassist_fairseq.tools.bench.rows import QUICK_SLACK, Row, verdict


@pytest.mark.parametrize(
    ("row", "slack", "missed"),
    [
        (Row("speed", 95, 100, higher=True), 1, False),
        (Row("speed", 89, 100, higher=True), 1, True),
        (Row("speed", 46, 100, higher=True), 2, False),
        (Row("speed", 44, 100, higher=True), 2, True),
        (Row("seconds", 8.7, 8), 1, False),
        (Row("seconds", 8.9, 8), 1, True),
        (Row("seconds", 17.5, 8), 2, False),
        (Row("ratio", 1.09, 1.0, ratio=True), 1, False),
        (Row("ratio", 1.11, 1.0, ratio=True), 1, True),
        # slack widens what is above 1 only: 1 + 2 * 0.1
        (Row("ratio", 1.19, 1.0, ratio=True), 2, False),
        (Row("ratio", 1.21, 1.0, ratio=True), 2, True),
        (Row("growth", 1.16, 1.15, tolerance=0.0, ratio=True), 1, True),
        (Row("only told", 1e9), 1, False),
        (Row("not a number", float("nan"), 1.0), 1, True),
    ],
)
def test_what_misses_its_target(row: Row, slack: float, missed: bool) -> None:
    assert row.missed(slack) is missed
    assert bool(verdict([row], slack)) is missed


def test_padding_by_hand() -> None:
    source, target = np.array([2, 4, 3]), np.array([1, 5, 3])
    batches = [np.array([0, 1]), np.array([2])]
    # source 2 x 4 + 1 x 3, target 2 x 5 + 1 x 3, over 9 + 9 tokens
    assert planning.padding(batches, source, target) == 24 / 18
    row = planning.padding_row(
        batches, [np.array([0]), np.array([1]), np.array([2])], source, target
    )
    assert row.value == pytest.approx(100 * (24 / 18 - 1))


def test_a_missed_row_is_named_and_ends_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(*args: object) -> Iterator[Row]:
        yield Row("quick enough", 9.0, 8.0)
        yield Row("deciding", 2.0, 5.0, higher=True)

    monkeypatch.setattr(command, "measure", measured)
    assert command.main(lambda source, target: [], []) == 1
    table, told = capsys.readouterr()
    assert "| deciding | 5.00 | 2.00 | MISSED |  |" in table
    assert told == "targets missed by more than 10%: quick enough; deciding\n"
    assert command.main(lambda source, target: [], ["--quick"]) == 0
    assert QUICK_SLACK > 2.5


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--pairs", "5"], "`--pairs` must be 20000 or more, but is 5"),
        (["--only", "nonsense"], "`--only` must name groups of rows .*, but is nonsense"),
    ],
)
def test_bad_options(args: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        command.main(lambda source, target: [], args)


def test_own_memory_counts_what_is_not_mapped_and_the_children() -> None:
    code = (
        "import os, sys; held = bytearray(b'x') * 2**26; child = os.fork(); "
        "more = bytearray(b'y') * 2**25 if child == 0 else b''; print(1, flush=True); "
        "sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout
    assert process.stdout.readline() + process.stdout.readline() == "1\n1\n"
    own = programs.own_bytes(process.pid)
    process.communicate("")
    assert 0.96 < own / 2**20 / 96 < 1.3, "64 MiB shared by both, 32 MiB of the child's"
    assert programs.own_bytes(process.pid) == 0


def test_a_program_is_watched_until_its_updates_are_done_and_ended_then() -> None:
    said = "print('| train_inner |', flush=True); time.sleep(0.05 if i < 3 else 60)"
    code = f"import time\nfor i in range(9): {said}"
    seen = programs.watch([sys.executable, "-c", code], 3)
    assert 0 < seen.first < seen.seconds < 60
    assert seen.peak > 0


def test_a_program_that_ends_too_early_says_why() -> None:
    with pytest.raises(UserError, match=r"(?s)must train, but it ended with:.*no such thing"):
        programs.watch([sys.executable, "-c", "raise SystemExit('no such thing')"], 1)


# Programs that pretend to train: `train` gives each a file for its times, and the folder of all.
SIDE_BY_SIDE = """
import pathlib, sys, time
times, data = map(pathlib.Path, sys.argv[1:3])
print("x" * 2**20, flush=True)  # more than a pipe holds
times.write_text('{"seen": 1}')
due = time.monotonic() + 20
while len([*data.glob("times*.json")]) < 2:
    if time.monotonic() > due:
        sys.exit("alone")
    time.sleep(0.01)
"""
ONE_FAILS = """
import os, pathlib, sys, time
data, failing = pathlib.Path(sys.argv[2]), sys.argv[-1] == "fail"
if failing:
    while not (data / "pid").exists():
        time.sleep(0.01)
    sys.exit("no such thing")
(data / "new").write_text(str(os.getpid()))
(data / "new").rename(data / "pid")
time.sleep(20)
"""


def test_runs_side_by_side_do_not_wait_for_a_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "TIMED", ("-c", SIDE_BY_SIDE))
    assert training.train(tmp_path, [], []) == [{"seen": 1}] * 2


@pytest.mark.parametrize("flags", [["fail", "wait"], ["wait", "fail"]])
def test_a_run_that_fails_ends_the_other(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "TIMED", ("-c", ONE_FAILS))
    begin = time.monotonic()
    with pytest.raises(UserError, match=r"(?s)must train, but it ended with:.*no such thing"):
        training.train(tmp_path, *([flag] for flag in flags))
    assert time.monotonic() - begin < 15
    assert not Path("/proc", (tmp_path / "pid").read_text()).exists()


def columns(table: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("| ")
    ]


def run(*args: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, Path(__file__).parents[1] / "scripts" / "bench.py", *args]
    return subprocess.run([str(word) for word in words], capture_output=True, text=True)


@pytest.mark.slow
def test_the_script_measures_and_prints_a_table() -> None:
    done = run("--quick", "--pairs", 20_000, "--only", "waiting")
    head, *rows = columns(done.stdout)
    assert head == ["what", "target", "measured", "", "beside"]
    assert len(rows) == 1
    assert all(re.fullmatch(r"[+-]?[\d,.]+", row[2]) for row in rows), done.stdout
    missed = [row[0] for row in rows if row[3] == "MISSED"]
    assert done.returncode == bool(missed)
    assert all(name in done.stderr for name in missed)


@pytest.mark.slow
def test_training_is_timed_from_within(tmp_path: Path) -> None:
    from autoassist_fairseq.tools.synthetic.files import write_corpus
    from autoassist_fairseq.tools.synthetic.shape import Shape

    write_corpus(tmp_path / "data", Shape(600, 200, mean=8.0))
    flags: list[Any] = [*programs.tiny_model(), "--max-tokens", 100, "--max-epoch", 2]
    (seen,) = training.train(tmp_path / "data", [*flags, *programs.OURS])
    assert len(seen["epochs"]) == 2
    assert len(seen["step"]) == len(seen["ours"]) > 50
    for step, ours in zip(seen["step"], seen["ours"], strict=True):
        assert 0 < ours < step
    tokens = np.fromfile(tmp_path / "data" / "train.en-de.de.bin", np.uint16).size
    assert seen["epochs"][0]["tokens"] == tokens, "the first pass keeps every pair"
    assert all(epoch["cpu"] > 0 for epoch in seen["epochs"])
