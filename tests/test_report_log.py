"""What the report reads of a log: figures worked out by hand, and logs that are not whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from report_runs import LogWriter, plain_run, shrunk_run

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.log_lines import read_line
from autoassist_fairseq.tools.report.run import read_run
from autoassist_fairseq.tools.report.table import note

BEFORE = "2026-03-01 10:00:01 | INFO | {} | {}"
SIMPLE = {
    "inner": ("train_inner", "epoch 002:     10 / 25 loss=9.0, wpb=120.5, num_updates=35, wall=4"),
    "train": ("train", "epoch 002 | loss 9.0 | wpb 120.5 | num_updates 35 | train_wall 1"),
    "valid": (
        "valid",
        "epoch 002 | valid on 'valid' subset | loss 9.0 | wpb 120.5 | num_updates 35",
    ),
}
JSON = {
    "inner": ("train_inner", {"epoch": 2, "update": 1.4, "loss": "9.0", "wpb": "120.5"}),
    "train": ("train", {"epoch": 2, "train_loss": "9.0", "train_wpb": "120.5"}),
    "valid": ("valid", {"epoch": 2, "valid_loss": "9.0", "valid_wpb": "120.5"}),
}


@pytest.mark.parametrize("bare", [False, True], ids=["stdout", "log-file"])
@pytest.mark.parametrize("kind", SIMPLE)
@pytest.mark.parametrize("form", ["simple", "json"])
def test_both_formats_with_and_without_prefix(form: str, kind: str, bare: bool) -> None:
    name, text = SIMPLE[kind]
    if form == "json":
        name, figures = JSON[kind]
        prefix = {"inner": ""}.get(kind, f"{kind}_")
        text = json.dumps({**figures, f"{prefix}num_updates": "35"})
    line = read_line(text if bare else BEFORE.format(name, text))
    assert (line.kind, line.damaged, line.time is None) == (kind, False, bare)
    told = {key: line.figures[key] for key in ("epoch", "loss", "wpb", "num_updates")}
    assert told == {"epoch": 2, "loss": 9.0, "wpb": 120.5, "num_updates": 35}


@pytest.mark.parametrize(
    "text",
    [
        "{'_name': None}",
        '{"some": "JSON"}',
        "epoch 001:  40%|####      | 4/10 [00:01<00:02, 2.5it/s, loss=9, num_updates=4]",
        "epoch 001 | valid on 'dev' subset:  33%|###    | 1/3 [00:00<00:00, 9.1it/s]",
        "TransformerModel(",
        "",
    ],
)
def test_other_lines_hold_no_statistics_and_no_damage(text: str) -> None:
    line = read_line(text)
    assert (line.kind, line.damaged) == (None, False)


@pytest.mark.parametrize(
    "text", ['{"epoch": 2, "train_lo', "epoch 002:     10 / 25 loss=9.0, wp", "epoch 002 | loss 9"]
)
def test_a_line_that_is_cut_is_damaged(text: str) -> None:
    assert read_line(text).damaged


HYDRA = "[2026-03-01 10:00:01,123][train][INFO] - "
STAMP = "2026-03-01 10:00:01 | INFO | train | "


@pytest.mark.parametrize(
    ("before", "rank"),
    [
        (STAMP, ""),
        (HYDRA, ""),
        ("2026-11-21T03:02:11.123456789Z " + STAMP, ""),
        ("[default3]:" + STAMP, "3"),
        ("[rank1]: " + STAMP, "1"),
        ("[trainer0]:" + HYDRA, "0"),
        (" 12: " + STAMP, "12"),
        ("[1,4]<stdout>:" + STAMP, "4"),
    ],
)
def test_what_launchers_put_before_a_line_is_read_past(before: str, rank: str) -> None:
    line = read_line(before + SIMPLE["train"][1])
    assert (line.kind, line.rank, line.time is None) == ("train", rank, False)


@pytest.mark.parametrize("form", ["{}", "[default0]:{}"])
def test_one_rank_is_read_of_a_log_of_several(tmp_path: Path, form: str) -> None:
    folder = shrunk_run(tmp_path)
    lines = (folder / "train.log").read_text().splitlines()
    ranks = (form, "[default1]:{}")
    both = [f"{rank.format(line)}\n" for line in lines for rank in ranks]
    (folder / "train.log").write_text("".join(both))
    run = read_run(folder, "run")
    assert [(e.tokens, e.seconds) for e in run.epochs] == [(1000, 20), (600, 13), (800, 17)]
    assert run.missing == []


@pytest.mark.parametrize("subset", ["dev", "train", "newstest2013"])
def test_a_validation_set_may_have_any_name(tmp_path: Path, subset: str) -> None:
    folder = plain_run(tmp_path)
    text = (folder / "train.log").read_text()
    text = text.replace("valid", subset).replace(f"begin {subset}ation", "begin validation")
    (folder / "train.log").write_text(text)
    run = read_run(folder, "run")
    assert [point.loss for point in run.points] == [5, 4, 3]
    assert [epoch.tokens for epoch in run.epochs] == [1000, 1000, 1000]


def test_passes_of_a_longer_warm_up_do_not_count(tmp_path: Path) -> None:
    folder = shrunk_run(tmp_path)
    text = (folder / "train.log").read_text()
    asked = "'autoassist_policy': 'shrink', 'lr': [1], 'autoassist_warmup_passes': 2, 'x': 3"
    (folder / "train.log").write_text(text.replace("'autoassist_policy': 'shrink'", asked))
    run = read_run(folder, "run")
    assert (run.policy, run.tokens_per_epoch, run.seconds_per_epoch) == ("shrink", 800, 17)
    assert "from number 3 on" in note([run])
    updates = run.epochs[0].updates + 1
    told = asked.replace("passes': 2", f"passes': 0.5, 'autoassist_warmup_updates': {updates}")
    (folder / "train.log").write_text(text.replace("'autoassist_policy': 'shrink'", told))
    assert read_run(folder, "run").warmup == 2


@pytest.mark.parametrize("form", ["json", "simple"])
def test_the_first_of_several_validation_sets_counts(tmp_path: Path, form: str) -> None:
    log = LogWriter()
    for subset, loss in (("dev", 5.0), ("valid", 6.0), ("train", 7.0)):
        log.say(f'begin validation on "{subset}" subset')
        told = {"epoch": 1, f"{subset}_nll_loss": str(loss), f"{subset}_num_updates": "10"}
        simple = f"epoch 001 | valid on '{subset}' subset | nll_loss {loss} | num_updates 10"
        log.say(json.dumps(told) if form == "json" else simple, subset)
    log.epoch(1, 10, 100, seconds=5, loss=9)
    assert [point.loss for point in read_run(log.write(tmp_path), "run").points] == [5]


def test_epochs_points_and_means(tmp_path: Path) -> None:
    run = read_run(shrunk_run(tmp_path), "run")
    assert [(e.tokens, e.seconds) for e in run.epochs] == [(1000, 20), (600, 13), (800, 17)]
    assert (run.tokens_per_epoch, run.seconds_per_epoch) == (700, 15)  # from the second on
    assert [(p.tokens, p.seconds, p.loss) for p in run.points] == [
        (1000, 20, 5.0),
        (1600, 33, 3.5),
        (2400, 50, 2.5),
    ]
    told = [(b.updates, b.accuracy, b.majority, b.safeguard) for b in run.beliefs]
    # nothing had been learned in the first epoch: its accuracy of 0 is none
    assert told == [(10, None, None, 0.5), (16, 0.8, 0.6, 0.55), (24, 0.9, 0.7, 0.5)]
    assert (run.policy, run.missing) == ("shrink", [])


def test_validation_within_an_epoch_takes_no_training_time(tmp_path: Path) -> None:
    log = LogWriter()
    log.say("Start iterating over samples")
    log.now += 10
    log.say('begin validation on "valid" subset')
    log.now += 30
    valid = {"epoch": 1, "valid_nll_loss": "7", "valid_num_updates": "5"}
    log.say(json.dumps(valid), "valid")
    log.now += 4  # of which 3 for a checkpoint
    log.say("Saved checkpoint x.pt (epoch 1 @ 5 updates) (writing took 3.2 seconds)")
    log.epoch(1, 20, 100, seconds=9, loss=6)
    run = read_run(log.write(tmp_path), "run")
    assert [epoch.seconds for epoch in run.epochs] == [10 + 1 + 9]
    # a quarter of the epoch's updates, a quarter of its tokens
    assert [(p.tokens, p.loss) for p in run.points] == [(500, 7), (2000, 6)]


def test_a_resumed_run_counts_what_it_trained_again_once(tmp_path: Path) -> None:
    log = LogWriter()
    log.start()
    log.epoch(1, 10, 100, seconds=20, loss=5)
    log.say("Start iterating over samples")
    log.now += 8
    lost = {"epoch": 2, "update": 1.5, "wpb": "100", "num_updates": "15"}
    log.say(json.dumps(lost), "train_inner")
    log.now += 500  # the machine was off
    log.start()
    log.say("Loaded checkpoint x.pt (epoch 2 @ 10 updates)", "fairseq.trainer")
    log.epoch(2, 20, 90, seconds=21, loss=4)
    log.epoch(3, 30, 80, seconds=19, loss=3)
    log.done()
    run = read_run(log.write(tmp_path), "run")
    assert [(e.number, e.tokens) for e in run.epochs] == [(1, 1000), (2, 900), (3, 800)]
    # the second epoch's time would leave out what came before its first batch
    assert [e.seconds for e in run.epochs] == [20, None, 19]
    assert run.missing == []


def test_a_log_that_begins_in_the_middle_says_so(tmp_path: Path) -> None:
    log = LogWriter()
    log.say("Loaded checkpoint x.pt (epoch 3 @ 100 updates)", "fairseq.trainer")
    log.epoch(3, 120, 50, seconds=20, loss=4)
    log.done()
    run = read_run(log.write(tmp_path), "run")
    assert [epoch.tokens for epoch in run.epochs] == [1000]  # not 120 updates
    # Its only line within the epoch stands at the end: it does not tell where the epoch began.
    assert run.tokens_per_epoch is None
    assert "begins at update 100" in run.missing[0]


def test_lines_said_twice_count_once(tmp_path: Path) -> None:
    folder = shrunk_run(tmp_path)
    lines = (folder / "train.log").read_text().splitlines()
    (folder / "train.log").write_text("".join(f"{line}\n{line}\n" for line in lines))
    run = read_run(folder, "run")
    assert [epoch.tokens for epoch in run.epochs] == [1000, 600, 800]
    assert len(run.points) == len(run.beliefs) == 3


def test_every_cut_of_a_log_gives_a_report_that_says_so(tmp_path: Path) -> None:
    whole = (shrunk_run(tmp_path) / "train.log").read_bytes()
    for end in range(0, whole.index(b"done training in"), 23):
        (tmp_path / "train.log").write_bytes(whole[:end])
        run = read_run(tmp_path, "run")
        assert [epoch.tokens for epoch in run.epochs] == [1000, 600, 800][: len(run.epochs)]
        assert run.missing and len(run.points) >= len(run.epochs)


def test_garbage_in_a_log_is_counted(tmp_path: Path) -> None:
    folder = shrunk_run(tmp_path)
    lines = (folder / "train.log").read_bytes().split(b"\n")
    middle = next(i for i, line in enumerate(lines) if b'"epoch": 2, "train_' in line)
    lines[middle] = lines[middle][:-20] + b"\xff\xfe\x00"
    (folder / "train.log").write_bytes(b"\n".join(lines))
    run = read_run(folder, "run")
    assert run.missing[0] == "1 line of the log could not be read and do not count"
    # without its line the second epoch cannot be told from the third
    assert [(epoch.number, epoch.whole) for epoch in run.epochs] == [(1, True), (3, False)]


def test_nan_in_a_log_is_unknown(tmp_path: Path) -> None:
    log = LogWriter()
    log.epoch(1, 10, 100, seconds=20, loss=float("nan"))
    log.done()
    run = read_run(log.write(tmp_path), "run")
    assert [point.loss for point in run.points] == [None]


def test_exact_times_beside_the_log_are_preferred(tmp_path: Path) -> None:
    folder = shrunk_run(tmp_path)
    lines = ["update,epoch,position,tokens,seconds", "5,1,0.5,1,9", "10,1,1.0,1,19.5"]
    (folder / "updates.csv").write_text("".join(f"{line}\n" for line in [*lines, "11,2,1.1,1,20"]))
    assert [epoch.seconds for epoch in read_run(folder, "run").epochs] == [19.5, 13, 17]


def test_any_log_with_statistics_will_do_and_none_is_said(tmp_path: Path) -> None:
    plain_run(tmp_path)
    (tmp_path / "train.log").rename(tmp_path / "other.log")
    (tmp_path / "a.log").write_text("nothing here\n")
    assert len(read_run(tmp_path, "run").epochs) == 3
    assert len(read_run(tmp_path / "other.log", "run").epochs) == 3
    (tmp_path / "other.log").unlink()
    run = read_run(tmp_path, "run")
    assert run.epochs == [] and "no log was found" in run.missing[0]
    with pytest.raises(UserError, match="is not there"):
        read_run(tmp_path / "missing", "run")


def test_a_log_without_times_has_tokens_all_the_same(tmp_path: Path) -> None:
    folder = plain_run(tmp_path)
    lines = (folder / "train.log").read_text().splitlines()
    bare = [line.split(" | ", 3)[3] for line in lines]
    (folder / "train.log").write_text("\n".join(bare))
    run = read_run(folder, "run")
    assert [(e.tokens, e.seconds) for e in run.epochs] == [(1000, None)] * 3
    assert any("has no times" in sentence for sentence in run.missing)
