"""The demo: reading fairseq's log, the closing table, its child process, and a whole small run."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.common.training_log import Reader
from autoassist_fairseq.tools.demo import child, training
from autoassist_fairseq.tools.demo.command import main
from autoassist_fairseq.tools.demo.results import (
    ArmResult,
    Epoch,
    arm_result,
    as_json,
    last_epoch,
    table,
)
from autoassist_fairseq.tools.demo.settings import ARMS, DemoSettings, demo_settings, train_flags

ROOT = Path(__file__).resolve().parents[1]
STAMP = "2026-11-21 03:02:11 | INFO | "


def train_line(epoch: int, wpb: float, updates: int, **more: str) -> str:
    figures = {
        "epoch": epoch,
        "train_loss": "5.1",
        "train_wpb": str(wpb),
        "train_num_updates": str(updates),
        **more,
    }
    return f"{STAMP}train | {json.dumps(figures)}"


def valid_line(epoch: int, loss: float, updates: int) -> str:
    figures = {"epoch": epoch, "valid_loss": "5.9", "valid_nll_loss": str(loss)}
    return f"{STAMP}valid | {json.dumps({**figures, 'valid_num_updates': str(updates)})}"


START = STAMP.replace("INFO", "INFO | fairseq_cli.train") + "Start iterating over samples"
VALIDATION = STAMP + 'fairseq_cli.train | begin validation on "valid" subset'
LOADED = STAMP + "fairseq.trainer | Loaded checkpoint /x/checkpoint_last.pt (epoch 2 @ 10 updates)"
SAVED = (
    STAMP + "fairseq.checkpoint_utils | Saved checkpoint /x/checkpoint1.pt (epoch 1 @ 10 updates, "
    "score 4.5) (writing took 2.5 seconds)"
)


def feed(*lines: tuple[float, str]) -> list[Epoch]:
    reader = Reader()
    epochs = []
    for now, line in lines:
        if reader.feed(line, now).kind == "train":
            epochs.append(last_epoch(reader.log))
    return epochs


def test_epochs_have_their_own_tokens_and_time() -> None:
    epochs = feed(
        (90.0, START),
        (110.0, VALIDATION),
        (112.0, valid_line(1, 4.5, 10)),
        (115.0, SAVED),
        (115.0, train_line(1, 100.5, 10)),
        (116.0, START),
        (130.0, VALIDATION),
        (131.0, valid_line(2, 3.5, 16)),
        (131.0, train_line(2, 50.0, 16, train_aa_keep_tokens="0.6")),
    )
    assert epochs == [
        # 20 s from its first batch to validation, and 0.5 s between that and writing
        Epoch(1, 1005, 10, 20.5, resumed=False, valid_loss=4.5, keep_tokens=None),
        # 15 s from the end of the first, planning included; 6 updates of 50 tokens
        Epoch(2, 300, 6, 15.0, resumed=False, valid_loss=3.5, keep_tokens=0.6),
    ]


def test_a_resumed_process_counts_its_own_updates() -> None:
    epochs = feed(
        (4.0, LOADED), (5.0, START), (8.0, VALIDATION), (8.0, valid_line(2, 4, 16)),
        (9.0, train_line(2, 50.0, 16)), (9.0, START), (12.0, VALIDATION),
        (12.0, valid_line(3, 4, 20)), (13.0, train_line(3, 50.0, 20)),
    )  # fmt: skip
    assert [(epoch.updates, epoch.tokens) for epoch in epochs] == [(6, 300), (4, 200)]
    assert [epoch.resumed for epoch in epochs] == [True, False]


def epoch(number: int, tokens: int, seconds: float, *, resumed: bool = False) -> Epoch:
    return Epoch(number, tokens, 1, seconds, resumed, valid_loss=1.0, keep_tokens=None)


def test_rows_leave_out_the_first_pass_and_times_that_are_not_whole() -> None:
    epochs = [epoch(1, 900, 90.0), epoch(2, 100, 9.0), epoch(3, 240, 1.0, resumed=True)]
    epochs += [epoch(4, 100, 8.0), epoch(5, 160, 60.0)]
    # (100 + 240 + 100 + 160) / 4 tokens; the middle one of 8, 9 and 60 s
    assert arm_result(epochs, 50.0) == ArmResult(tokens=150.0, seconds=9.0, bleu=50.0)
    # If no time is whole, those that there are have to do.
    assert arm_result([epochs[0], epochs[2]], 50.0).seconds == 1.0


def test_table_as_printed() -> None:
    arms = {"SGD": ArmResult(297_000, 25.04, 79.23), "AutoAssist": ArmResult(178_200, 15.6, 80.2)}
    assert table(arms).splitlines() == [
        "            tokens per epoch  seconds per epoch  BLEU",
        "SGD                  297,000               25.0  79.2",
        "AutoAssist           178,200               15.6  80.2",
        "ratio                   0.60               0.62  +1.0",
    ]
    content = as_json(arms, {name: [epoch(1, 2, 3.0)] for name in arms}, "nrefs:1", {"python": "3"})
    assert json.loads(json.dumps(content))["arms"]["SGD"]["epochs"][0]["tokens"] == 2
    assert content["signature"] == "nrefs:1"


def test_arms_differ_in_the_policy_alone(tmp_path: Path) -> None:
    settings = DemoSettings(tmp_path)
    flags = [train_flags(settings, policy) for policy in ARMS.values()]
    differing = [pair for pair in zip(*flags, strict=True) if pair[0] != pair[1]]
    assert differing == [("off", "shrink")]


@pytest.mark.parametrize(
    ("epochs", "seed", "sentence"),
    [(1, 1, "`--epochs` must be at least 2, but is 1"), (2, -1, "`--seed` must be at least 0")],
)
def test_bad_options(tmp_path: Path, epochs: int, seed: int, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        demo_settings(tmp_path, seed, epochs, fast=False)


def test_bad_options_make_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        main(["--out", str(tmp_path / "new"), "--epochs", "0"])
    assert not (tmp_path / "new").exists()


def test_a_changed_flag_starts_an_arm_anew(tmp_path: Path) -> None:
    folder = tmp_path / "sgd"
    training.open_folder(folder, {"lr": "1"})
    (folder / training.CHECKPOINT).touch()
    training.open_folder(folder, {"lr": "1"})
    assert (folder / training.CHECKPOINT).exists()
    training.open_folder(folder, {"lr": "2"})
    assert not (folder / training.CHECKPOINT).exists()


Fake = Callable[[str], None]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Put a Python program in the place of fairseq's."""
    script = tmp_path / "program"

    def write(code: str) -> None:
        script.write_text(f"#!{sys.executable}\nimport os, sys, time\n{code}\n")
        script.chmod(0o755)

    monkeypatch.setattr(child, "program", lambda _: script)
    return write


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_lines_come_as_they_are_printed(fake: Fake, tmp_path: Path) -> None:
    fake("print(os.environ['OMP_NUM_THREADS'], sys.argv[1]); print('ä', file=sys.stderr)")
    log = tmp_path / "log"
    assert list(child.lines_of("any", ["flag"], log, threads=3, tick=60)) == ["3 flag", "ä"]
    assert log.read_text("utf-8") == "3 flag\nä\n"


def test_silence_is_ticks(fake: Fake, tmp_path: Path) -> None:
    fake("time.sleep(0.4)")
    assert None in list(child.lines_of("any", [], tmp_path / "log", threads=1, tick=0.02))


def test_a_child_that_fails_is_an_error(fake: Fake, tmp_path: Path) -> None:
    fake("sys.exit('no data found')")
    with pytest.raises(UserError, match=r"`any` failed with status 1 \(no data found\)"):
        list(child.lines_of("any", [], tmp_path / "log", threads=1))


def test_a_reader_that_stops_ends_the_child(fake: Fake, tmp_path: Path) -> None:
    fake("print(os.getpid()); time.sleep(600)")
    lines: Iterator[Any] = child.lines_of("any", [], tmp_path / "log", threads=1)
    pid = int(next(lines))
    assert not gone(pid)
    lines.close()  # type: ignore[attr-defined]
    assert gone(pid)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's prctl")
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "program"
    script.write_text(f"#!{sys.executable}\nimport os, time\nprint(os.getpid())\ntime.sleep(600)\n")
    script.chmod(0o755)
    code = (
        "from pathlib import Path; from autoassist_fairseq.tools.demo import child\n"
        f"child.program = lambda name: Path({str(script)!r})\n"
        f"for line in child.lines_of('any', [], Path({str(tmp_path / 'log')!r}), threads=1):\n"
        "    line and print(line, flush=True)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert not gone(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert within(10, lambda: gone(pid))


def demo(out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "demo.py"), "--fast", "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def processes_in(folder: Path) -> list[int]:
    """The processes that have ``folder`` on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command:
                found.append(int(entry.name))
    return found


@pytest.mark.slow
def test_the_demo_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with demo(out) as first:
        assert first.stderr is not None
        shown = ""
        while "SGD, pass 1:" not in shown:
            line = first.stderr.readline()
            assert line, shown
            shown += line
        first.send_signal(signal.SIGINT)
        stdout, stderr = first.communicate()
    assert first.returncode == 130
    assert stdout == ""
    assert stderr.rstrip().endswith("interrupted: the same command goes on from here")
    assert "Traceback" not in stderr
    assert processes_in(out) == []

    with demo(out) as second:
        stdout, stderr = second.communicate()
    assert second.returncode == 0, stderr
    assert "corpus: done before, skipped" in stderr
    assert "SGD, pass 1:" not in stderr
    assert "Loaded checkpoint" in (out / "sgd" / "train.log").read_text("utf-8")
    rows = [re.split(r" {2,}", line) for line in stdout.splitlines()[:4]]
    assert [row[0] for row in rows] == ["", "SGD", "AutoAssist", "ratio"]
    assert "sacreBLEU of the detokenised test set, nrefs:1|case:mixed" in stdout
    results = json.loads((out / "results.json").read_text("utf-8"))
    for arm in ARMS:
        passes = results["arms"][arm]["epochs"]
        assert [e["epoch"] for e in passes] == [1, 2, 3]
        assert all(math.isfinite(e["valid_loss"]) and e["seconds"] > 0 for e in passes)
    tokens = {arm: [e["tokens"] for e in results["arms"][arm]["epochs"]] for arm in ARMS}
    pieces = (out / "data" / "pieces" / "train.de").read_text("utf-8").splitlines()
    total = sum(len(line.split()) + 1 for line in pieces)  # with the end of each sentence
    assert tokens["SGD"] == pytest.approx([total] * 3, abs=total / 1000)  # wpb is rounded
    assert tokens["AutoAssist"][0] == pytest.approx(total, abs=total / 1000)
    assert max(tokens["AutoAssist"][1:]) < 0.8 * total

    with demo(out) as third:
        again, stderr = third.communicate()
    assert again == stdout
    assert " ...\n" not in stderr  # every step was skipped
