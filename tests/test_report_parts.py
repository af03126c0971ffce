"""Logs that hold a part of a run, or several: what counts, and what is said of the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from report_runs import LogWriter

from autoassist_fairseq.tools.report import table
from autoassist_fairseq.tools.report.run import Run, read_run


class Parts(LogWriter):
    """Passes of 100 updates (or so many) of 1,000 tokens, a second each, told every 10 updates."""

    def begin(
        self, policy: str, epoch: int = 1, updates: int = 0, more: str = "", target: str = "de"
    ) -> None:
        """A process begins: a fresh run, or from a checkpoint; ``more`` of its options are told."""
        self.start(policy)
        self.lines[-1] += more
        for language in ("en", target):
            self.say(f"[{language}] dictionary: 100 types", "fairseq.tasks.translation")
        loaded = f"Loaded checkpoint x.pt (epoch {epoch} @ {updates} updates)"
        self.say(loaded if updates else "No existing checkpoint found x.pt", "fairseq.trainer")
        self.say("Start iterating over samples")

    def inner(self, epoch: int, base: int, done: int, size: int = 100, form: str = "json") -> None:
        self.now += 10
        told = {"epoch": epoch, "update": round(epoch - 1 + done / size, 3), "wpb": "1000"}
        line = json.dumps({**told, "num_updates": str(base + done)})
        if form == "simple":
            line = f"epoch {epoch:03d}:  {done:5d} / {size} wpb=1000, num_updates={base + done}"
        self.say(line, "train_inner")

    def passed(self, epoch: int, base: int, size: int = 100, **how: object) -> None:
        """The rest of a pass, from update ``base + start`` on, in ``form``."""
        start, form = how.get("start", 0), str(how.get("form", "json"))
        assert isinstance(start, int)
        for done in range(start + 10, size + 1, 10):
            self.inner(epoch, base, done, size, form)
        self.say('begin validation on "valid" subset')
        valid = {"epoch": epoch, "valid_nll_loss": "4", "valid_num_updates": str(base + size)}
        self.say(json.dumps(valid), "valid")
        end = {"epoch": epoch, "train_wpb": "1000", "train_num_updates": str(base + size)}
        self.say(json.dumps(end), "train")

    def read(self, folder: Path) -> Run:
        self.done()
        return read_run(self.write(folder), "run")


@pytest.mark.parametrize("form", ["json", "simple"])
@pytest.mark.parametrize(("start", "means"), [(90, 100_000), (40, 100_000), (0, 90_000)])
def test_the_rest_of_an_epoch_is_none(tmp_path: Path, start: int, means: int, form: str) -> None:
    log = Parts()
    log.begin("off", 2, 100 + start)
    size = 100 if start else 80
    log.passed(2, 100, size, start=start, form=form)
    log.passed(3, 100 + size, form=form)
    run = log.read(tmp_path)
    assert run.tokens_per_epoch == means
    assert [point.tokens for point in run.points] == [
        1000 * (size - start),
        1000 * (size - start) + 100_000,
    ]
    assert f"begins at update {100 + start}:" in run.missing[0]
    assert ("epoch 2 is not whole" in run.missing[0]) == bool(start)
    assert table.rows([run])[0][5] == ("1" if start else "2")


def test_a_run_stopped_before_its_first_line_begins_at_its_beginning(tmp_path: Path) -> None:
    log = Parts()
    log.begin("off")
    log.begin("off", 1, 5)
    log.passed(1, 0)
    run = log.read(tmp_path)
    assert [(epoch.tokens, epoch.whole) for epoch in run.epochs] == [(100_000, True)]
    assert run.missing == ["the log has the whole time of no epoch that counts"]


@pytest.mark.parametrize("cut", [False, True])
def test_an_epoch_whose_end_is_lost_makes_no_long_one(tmp_path: Path, cut: bool) -> None:
    log = Parts()
    log.begin("off")
    for epoch in range(1, 6):
        log.passed(epoch, 100 * (epoch - 1))
        if epoch == 3:
            line = log.lines.pop()
            log.lines += [line[:-30]] * cut
    run = log.read(tmp_path)
    assert (run.tokens_per_epoch, run.seconds_per_epoch) == (100_000, 100)
    assert [point.tokens for point in run.points] == [100_000 * n for n in range(1, 6)]
    assert run.missing[cut:] == [
        "the log lacks the end of epoch 3: means are without it and the epoch after it"
    ]
    assert table.rows([run])[0][5:7] == ("3", "500,000")


def test_a_log_without_its_first_lines_has_no_long_epoch(tmp_path: Path) -> None:
    log = Parts()
    log.inner(3, 200, 50)
    log.passed(3, 200, start=50)
    log.passed(4, 300)
    run = log.read(tmp_path)
    assert run.tokens_per_epoch == run.seconds_per_epoch * 1000 == 100_000  # type: ignore[operator]
    assert run.missing == [
        "the log lacks the end of epoch 1, 2: means are without it and the epoch after it"
    ]


def test_a_fresh_run_in_the_file_of_another_is_the_one_that_counts(tmp_path: Path) -> None:
    log = Parts()
    log.begin("off", 2, 190, target="fr")
    log.passed(2, 100, start=90)
    log.lines = [line.replace('valid"', 'dev"').replace('"valid_', '"dev_') for line in log.lines]
    log.begin("shrink", more=", 'autoassist_warmup_passes': 2")
    for epoch in (1, 2, 3):
        log.passed(epoch, 80 * (epoch - 1), 80)
    run = log.read(tmp_path)
    assert (run.policy, run.warmup, run.languages) == ("shrink", 2, ("en", "de"))
    assert [(e.tokens, e.seconds) for e in run.epochs] == [(80_000, 80)] * 3
    assert len(run.points) == 3 and run.missing == []


def test_a_run_that_goes_on_with_another_policy_has_both(tmp_path: Path) -> None:
    log = Parts()
    log.begin("shrink")
    log.passed(1, 0)
    log.begin("uniform", 2, 100)
    log.passed(2, 100)
    assert log.read(tmp_path).policy == "shrink, then uniform"
    log.begin("shrink", 2, 100)  # from the checkpoint before
    log.passed(2, 100)
    assert log.read(tmp_path).policy == "shrink"


def test_a_warm_up_of_updates_counts_the_epochs_before_the_log(tmp_path: Path) -> None:
    log = Parts()
    asked = ", 'autoassist_warmup_passes': 1, 'autoassist_warmup_updates': 350"
    log.begin("shrink", 3, 200, asked)
    for epoch in (3, 4, 5):
        log.passed(epoch, 100 * (epoch - 1))
    assert log.read(tmp_path).warmup == 4
