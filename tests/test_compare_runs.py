"""autoassist compare on stand-ins for fairseq: legs, restarts, failures, the table."""

from __future__ import annotations

import json
import re
import shutil
import signal
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from compare_programs import PAIRS, make_data, use_fake_programs

from autoassist_fairseq.__main__ import main
from autoassist_fairseq.errors import AutoAssistError, UserError
from autoassist_fairseq.tools.averaging import command as averaging
from autoassist_fairseq.tools.common import checkpoints
from autoassist_fairseq.tools.compare import command, options
from autoassist_fairseq.tools.compare.pool import Pool
from autoassist_fairseq.tools.compare.tuning import told
from autoassist_fairseq.tools.compare.updates import read_updates
from autoassist_fairseq.tools.report.run import read_run

pytestmark = pytest.mark.slow  # whole comparisons, half a second each

BUDGET = 4_200


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    data = make_data(tmp_path / "corpus")
    use_fake_programs(tmp_path, data, monkeypatch)
    monkeypatch.setattr(options, "_gpu", lambda: False)
    monkeypatch.setattr(command, "_report", lambda *_: None)  # has tests of its own
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return data


def compare(data: Path, *words: str, budget: str = f"tokens={BUDGET}") -> int:
    own, extra = list(words), list[str]()
    if "--" in own:
        own, extra = own[: own.index("--")], own[own.index("--") + 1 :]
    out = data.parent / "out"
    common = ["--data", data, "--out", out, "--budget", budget, "--detokenise", "none"]
    flags = [*map(str, common), "--bootstrap-samples", "50", *own]
    return main(["compare", *flags, "--", "--max-tokens", "150", *extra])


def results(data: Path) -> dict[str, Any]:
    content = json.loads((data.parent / "out" / "compare.json").read_text())
    return {arm["arm"]: arm for arm in content["arms"]}


def log_of(data: Path, run: str) -> str:
    return (data.parent / "out" / run / "train.log").read_text()


def test_arms_get_equal_tokens_in_legs(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(data, "--arms", "off,shrink", "--seeds", "1,2") == 0
    found = results(data)
    for arm in ("off", "shrink"):
        for seed, run in found[arm]["runs"].items():
            rows = read_updates(data.parent / "out" / f"{arm}-{seed}" / "updates.csv")
            assert abs(run["tokens"] - BUDGET) <= 60
            assert run["tokens"] == sum(row.tokens for row in rows)
            assert run["updates"] == len(rows) == rows[-1].number
            assert run["epochs"] == len(rows) // 10
            assert run["valid_loss"] == pytest.approx(10 - run["updates"] / 100)
            stops = re.findall(
                r"Stopping training due to num_updates: (\d+)", log_of(data, f"{arm}-{seed}")
            )
            assert len(stops) == run["legs"] > 1
            assert int(stops[0]) == BUDGET // 150  # the first leg: as if batches were full
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.split()[:3] == ["arm", "policy", "tokens"]
    assert second.split()[:2] == ["off", "off"] and third.split()[:2] == ["shrink", "shrink"]
    assert found["shrink"]["paired"]["sentences"] == pytest.approx(1 / 51)
    assert found["shrink"]["paired"]["over_seeds"] is not None
    assert found["off"]["sd"] > 0
    page = (data.parent / "out" / "compare.md").read_text()
    assert "tokens=4200" in page and "| shrink-2 |" in page and "case:mixed" in page


def test_a_second_call_does_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(data, "--arms", "off") == 0
    before = log_of(data, "off-1")
    (data.parent / "out" / "off-1" / "checkpoint_last.pt").unlink()  # it is not needed any more
    first = capsys.readouterr()
    assert compare(data, "--arms", "off") == 0
    second = capsys.readouterr()
    assert second.out == first.out
    assert "off-1: done before, skipped" in second.err
    assert log_of(data, "off-1") == before


def test_seeds_and_arms_may_be_added(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(data, "--arms", "off") == 0
    assert compare(data, "--arms", "off,shrink", "--seeds", "1,2") == 0
    said = capsys.readouterr().err
    assert said.count("done before, skipped") == 1
    assert results(data)["shrink"]["paired"]["seeds"] == [1, 2]


def test_other_flags_are_refused_and_nothing_is_touched(data: Path) -> None:
    assert compare(data, "--arms", "off") == 0
    before = log_of(data, "off-1")
    with pytest.raises(UserError, match=r"off-1 must go on as it began, .*flags .*0.5"):
        compare(data, "--arms", "shrink,off", "--", "--dropout", "0.5")
    with pytest.raises(UserError, match="its budget was tokens=4200 and is tokens=4300"):
        compare(data, "--arms", "off", budget="tokens=4300")
    with pytest.raises(UserError, match=r"its generate had nothing where now is --beam 5"):
        compare(data, "--arms", "off", "--generate", "--beam 5")
    (data / "train.en-de.de.bin").write_bytes(b"other")
    with pytest.raises(UserError, match="its data was another"):
        compare(data, "--arms", "off")
    assert log_of(data, "off-1") == before
    assert not (data.parent / "out" / "shrink-1").exists()


def test_a_folder_of_somebody_else_is_refused(data: Path) -> None:
    """Whatever is in it; what a kill leaves of our own first file is no hindrance."""
    out = data.parent / "out"
    for run, name, words in (
        ("off-1", "checkpoint_last.pt", []),
        ("shrink-1", "checkpoint_best.pt", []),
        ("tuning/lr0.01-1", "train.log", ["--tune-lr", "0.001,0.01"]),
    ):
        mine = out / run / name
        mine.parent.mkdir(parents=True)
        mine.write_text("precious")
        with pytest.raises(UserError, match=f"{run} must be a run of .*, but has {name} and no"):
            compare(data, "--arms", "off,shrink", *words)
        assert mine.read_text() == "precious" and not list(out.rglob("updates.csv"))
        mine.rename(mine.with_name("started.json.part"))
    assert compare(data, "--arms", "off") == 0


def test_a_failed_run_stops_no_other(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arms = ["--arm", "bad=shrink --fail-at 35", "--arm", "needy=random --autoassist-rate {bad}"]
    assert compare(data, "--arms", "off", *arms) == 1
    out = capsys.readouterr().out
    assert "bad-1 failed: `fairseq-train` failed with status 1 (RuntimeError: out of luck)" in out
    assert "needy-1 failed: it needs bad-1, which failed" in out
    assert "0 (1 failed)" in out
    assert results(data)["off"]["runs"]["1"]["bleu"] > 0
    assert "RuntimeError: out of luck" in (data.parent / "out" / "compare.md").read_text()


def test_an_arm_that_needs_another_gets_its_log(data: Path) -> None:
    arm = "r=random --autoassist-rate {shrink}"
    assert compare(data, "--arm", arm, "--arms", "shrink", "--seeds", "1,2", "--jobs", "3") == 0
    for seed in (1, 2):
        assert f"rate {data.parent}/out/shrink-{seed}/train.log whole" in log_of(data, f"r-{seed}")
    # Places are no part of what must stay the same
    done = json.loads((data.parent / "out" / "r-1" / "done.json").read_text())
    assert str(data.parent) not in json.dumps(done)


@pytest.mark.parametrize("older", [False, True])
def test_an_arm_does_not_outlive_the_run_that_it_was_matched_to(data: Path, older: bool) -> None:
    """Told before the other run is made anew; an older version did not write which one it was."""
    out, arm = data.parent / "out", "r=random --autoassist-rate {shrink}"
    both = ["--arm", arm, "--arm"]
    assert compare(data, *both, "shrink") == 0
    account = out / "r-1" / "started.json"
    if older:
        content = json.loads(account.read_text())
        content.pop("needs", None)
        account.write_text(json.dumps(content))
    assert compare(data, *both, "shrink") == 0
    shutil.rmtree(out / "shrink-1")
    refused = pytest.raises(
        UserError, match=r"out/r-1 must go .*, but its \{shrink\} was another run; .* remove that"
    )
    with refused:
        compare(data, *both, "shrink --lr 0.01")
    assert not (out / "shrink-1").exists()
    if not older:
        assert compare(data, "--arms", "shrink --lr 0.01") == 0
        (out / "r-1" / "done.json").unlink()  # half done: it must not go on with other rates
        with refused:
            compare(data, *both, "shrink --lr 0.01")
    shutil.rmtree(out / "r-1")
    assert compare(data, *both, "shrink --lr 0.01") == 0


def test_another_corpus_for_one_arm(data: Path, tmp_path: Path) -> None:
    other = make_data(tmp_path / "other")
    (other / "train.en-de.de.bin").write_bytes(b"clean")
    assert compare(data, "--arms", "off", "--arm", f"clean=off --data {other}") == 0
    (other / "test.en-de.de.idx").unlink()
    with pytest.raises(UserError, match="must hold a binarised `test` split"):
        compare(data, "--arms", "off", "--arm", f"clean=off --data {other}")


def test_the_end_of_training_is_told_when_it_is_known(data: Path) -> None:
    assert compare(data, "--arms", "loss-table") == 0
    told = [int(word) for word in re.findall(r" whole (\d+)", log_of(data, "loss-table-1"))]
    updates = results(data)["loss-table"]["runs"]["1"]["updates"]
    assert told[0] == 2 * (BUDGET // 150)
    assert all(abs(whole - updates) <= 2 for whole in told[1:])


def test_the_rate_ends_with_the_budget(data: Path) -> None:
    assert compare(data, "--arms", "off", "--decay") == 0
    log = log_of(data, "off-1")
    assert set(re.findall(r"budget (\S*) of", log)) == {f"tokens={BUDGET:.1f}"}
    with pytest.raises(
        UserError, match=r"off-1 must go on as it began, .* had --lr-scheduler autoassist_decay"
    ):
        compare(data, "--arms", "off")
    for where, words in (
        ("after --", ["--decay", "--", "--lr-scheduler", "inverse_sqrt"]),
        ("in --arm x", ["--decay", "--arm", "x=off --lr-scheduler=inverse_sqrt"]),
    ):
        said = f"`--decay` must not go with .*, but {where} there is inverse_sqrt"
        with pytest.raises(UserError, match=said):
            compare(data, "--arms", "off", *words)


def test_the_rate_ends_with_a_budget_of_seconds(data: Path) -> None:
    slow = ["--decay", "--", "--wait", "0.01"]
    assert compare(data, "--arms", "off", *slow, budget="seconds=1.5") == 0
    first, *later = re.findall(r"budget tokens=(\S*) of", log_of(data, "off-1"))
    run = results(data)["off"]["runs"]["1"]
    assert first == "inf"  # until an update was timed
    assert float(later[-1]) == pytest.approx(run["tokens"], rel=0.2)


def test_the_last_checkpoints_are_averaged(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []

    def average(paths: list[Path]) -> dict[str, Any]:
        seen.append([int(zipfile.ZipFile(path).read("updates")) for path in paths])
        return {}

    monkeypatch.setattr(averaging, "average", average)
    monkeypatch.setattr(checkpoints, "write_checkpoint", lambda _, path, __: path.write_text("m"))
    assert compare(data, "--arms", "off", "--average", "3") == 0
    rows = read_updates(data.parent / "out" / "off-1" / "updates.csv")
    tokens = [sum(row.tokens for row in rows[:update]) for update in seen[0]]
    assert tokens == pytest.approx([BUDGET, BUDGET * (1 - 0.1 / 3), BUDGET * (1 - 0.2 / 3)], abs=60)
    run = results(data)["off"]["runs"]["1"]
    assert run["valid_loss"] == 4.25  # of the mean
    assert "checkpoint_mean.pt" in (data.parent / "out" / "off-1" / "validate.log").read_text()
    assert not list((data.parent / "out" / "off-1").glob("checkpoint_point*"))
    assert len(seen) == 1 and compare(data, "--arms", "off", "--average", "3") == 0
    assert len(seen) == 1
    with pytest.raises(UserError, match="its average was 3 and is None"):
        compare(data, "--arms", "off")


def test_the_mean_is_validated_in_batches_as_the_run_was(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(averaging, "average", lambda _: {})
    monkeypatch.setattr(checkpoints, "write_checkpoint", lambda _, path, __: path.write_text("m"))
    arms = ["--arms", "off", "--arm", "x=off --max-tokens-valid 4000"]
    assert compare(data, *arms, "--average", "2", "--", "--batch-size-valid", "8") == 0
    for arm, tokens in (("off", "150"), ("x", "4000")):
        log = (data.parent / "out" / f"{arm}-1" / "validate.log").read_text()
        assert f'"--max-tokens", "{tokens}", "--batch-size", "8"' in log


def test_test_sets_are_pooled(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in data.glob("test.*"):
        (data / file.name.replace("test", "other")).write_bytes(file.read_bytes())
    text = data.parent / "text"
    (text / "other.de").write_text((text / "test.de").read_text())
    assert compare(data, "--arms", "off,shrink", "--gen-subset", "test,other") == 0
    run = results(data)["shrink"]["runs"]["1"]
    assert list(run["each"]) == ["test", "other"]
    assert run["each"]["test"] == pytest.approx(run["each"]["other"])  # the same lines twice
    assert run["bleu"] == pytest.approx(run["each"]["test"])
    folder = data.parent / "out" / "shrink-1"
    scored = json.loads((folder / "score.json").read_text())
    assert (scored["pairs"], scored["subset"]) == (2 * PAIRS, "test,other")
    assert "test, other laid end to end" in (data.parent / "out" / "compare.md").read_text()
    for words, said in (
        (["--gen-subset", "test,"], "must be different names"),
        (["--gen-subset", "test,other", "--ref", "x"], "`--ref` must go with one `--gen-subset`"),
    ):
        with pytest.raises(UserError, match=said):
            compare(data, "--arms", "off", *words)


def test_the_rate_is_tuned_for_the_first_arm(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuning = ["--tune-lr", "0.001,0.0031,0.01"]
    assert compare(data, "--arms", "off,shrink", *tuning) == 0
    assert "of lr 0.0031" in log_of(data, "shrink-1")
    page = (data.parent / "out" / "compare.md").read_text()
    assert "learning rate 0.0031, by the first arm's validation loss (0.001: 9." in page
    assert sorted(path.name for path in (data.parent / "out" / "tuning").iterdir()) == [
        "lr0.001-1", "lr0.0031-1", "lr0.01-1"
    ]  # fmt: skip
    capsys.readouterr()
    assert compare(data, "--arms", "off,shrink", *tuning) == 0
    assert capsys.readouterr().err.count("done before, skipped") == 5
    for words, said in (
        (["--tune-lr", "0.1"], "`--tune-lr` must be two or more"),
        ([*tuning, "--", "--lr", "1"], "`--` must leave --lr to --tune-lr"),
    ):
        with pytest.raises(UserError, match=said):
            compare(data, "--arms", "off", *words)
    with pytest.raises(UserError, match="a first arm that needs no other"):
        compare(data, "--arm", "r=random --autoassist-rate {off}", "--arms", "off", *tuning)


def test_a_rate_that_diverges_loses(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(data, "--arms", "off", "--tune-lr", "0.0031,0.05,0.1") == 0
    said = capsys.readouterr().err
    for trial in ("lr0.05-1", "lr0.1-1"):
        assert f"{trial}: no finite validation loss: this rate is out" in said
    assert "of lr 0.0031" in log_of(data, "off-1")
    page = (data.parent / "out" / "compare.md").read_text()
    assert ", 0.05: not finite, 0.1: not finite); warning: the smallest that was tried" in page
    shutil.rmtree(data.parent / "out" / "off-1")  # whose rate is another one
    with pytest.raises(UserError, match=r"none of lr0.05, lr0.1 it is finite .* try lower rates"):
        compare(data, "--arms", "off", "--tune-lr", "0.05,0.1")


@pytest.mark.parametrize(
    ("words", "had"),
    [([], "nothing where now is --lr"), (["--", "--lr", "0.05"], r"0\.05 where now is")],
)
def test_runs_that_were_not_tuned_are_refused_before_tuning(
    data: Path, words: list[str], had: str
) -> None:
    assert compare(data, "--arms", "shrink", *words) == 0
    with pytest.raises(UserError, match=rf"shrink-1 must .* had {had} \(tuned\);"):
        compare(data, "--arms", "off,shrink", "--tune-lr", "0.001,0.0031")
    assert not (data.parent / "out" / "tuning").exists()


def test_a_criterion_that_logs_its_loss_alone(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(averaging, "average", lambda _: {})
    monkeypatch.setattr(checkpoints, "write_checkpoint", lambda _, path, __: path.write_text("m"))
    words = ["--tune-lr", "0.001,0.0031", "--average", "2", "--", "--criterion", "cross_entropy"]
    assert compare(data, "--arms", "off", *words) == 0
    run = results(data)["off"]["runs"]["1"]
    assert run["valid_loss"] == 4.25 and run["validations"]
    assert "of lr 0.0031" in log_of(data, "off-1")


def test_a_best_rate_at_the_edge_is_warned_of() -> None:
    assert "the smallest that was tried" in told({0.1: 2.0, 0.2: 3.0}, 0.1)
    assert "warning" not in told({0.1: 2.0, 0.2: 1.0, 0.3: 3.0}, 0.2)


def test_a_budget_of_seconds(data: Path) -> None:
    assert compare(data, "--arms", "off", "--", "--wait", "0.01", budget="seconds=1.5") == 0
    run = results(data)["off"]["runs"]["1"]
    # Lines are timed as they are read: a busy machine may read some late, those of a start too.
    assert run["seconds"] == pytest.approx(1.5, abs=0.5)
    assert 30 < run["updates"] < 2 * 1.5 / 0.01


def test_passes_end_though_the_last_batch_overflows(data: Path) -> None:
    words = ["--arms", "off", "--", "--overflow"]
    assert compare(data, *words, budget="passes=3") == 0
    run = results(data)["off"]["runs"]["1"]
    assert (run["updates"], run["epochs"], run["legs"]) == (29, 3, 1)
    folder = data.parent / "out" / "off-1"
    (folder / "done.json").unlink()  # as an earlier version left it, which failed here
    legs, rows = folder / "legs.json", folder / "updates.csv"
    legs.write_text(legs.read_text().replace('"target": 0', '"target": 3'))
    rows.write_text(rows.read_text().replace("29,3,3.0,", "29,3,2.9,"))
    assert compare(data, *words, budget="passes=3") == 0
    assert "2.9," not in rows.read_text() and '"target": 0' in legs.read_text()


def test_an_interrupted_leg_ends_where_it_was_to_end(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compare(data, "--arms", "off") == 0
    unbroken = (data.parent / "out" / "off-1" / "updates.csv").read_text()
    (data.parent / "out").rename(data.parent / "unbroken")

    def interrupted(self: Pool, *_: Any) -> dict[str, str]:
        """Ctrl-C when some updates of the second epoch are done."""
        stop = threading.Event()
        path = data.parent / "out" / "off-1" / "updates.csv"

        def watch() -> None:
            while not path.exists() or path.read_text().count("\n") < 17:
                pass
            stop.set()

        threading.Thread(target=watch).start()
        with pytest.raises(AutoAssistError):
            self._work("off-1", 0, stop)
        raise KeyboardInterrupt

    slow = ["--arms", "off", "--", "--wait", "0.02"]
    with monkeypatch.context() as patched:
        patched.setattr(Pool, "run", interrupted)
        assert compare(data, *slow) == 130
    assert not (data.parent / "out" / "off-1" / "done.json").exists()
    legs = json.loads((data.parent / "out" / "off-1" / "legs.json").read_text())
    assert legs["target"] == BUDGET // 150
    assert compare(data, *slow) == 0
    log = log_of(data, "off-1")
    assert "@ 10 updates)" in log  # it went on from the epoch before, to the end that was set
    assert re.findall(r"Stopping training due to num_updates: (\d+)", log)[0] == str(BUDGET // 150)
    again = (data.parent / "out" / "off-1" / "updates.csv").read_text()

    def without_seconds(text: str) -> list[str]:
        return [line.rpartition(",")[0] for line in text.splitlines()]

    assert without_seconds(again) == without_seconds(unbroken)


def test_a_report_counts_whole_epochs_whatever_the_legs(data: Path) -> None:
    assert compare(data, "--arms", "off") == 0
    run = read_run(data.parent / "out" / "off-1", "off")
    assert [epoch.number for epoch in run.epochs] == [1, 2, 3, 4][: len(run.epochs)]
    assert all(epoch.updates == 10 for epoch in run.epochs)
    assert len(run.epochs) == results(data)["off"]["runs"]["1"]["epochs"]
    assert not run.missing


def test_the_validation_set_may_have_another_name(data: Path) -> None:
    for file in data.glob("valid.*"):
        file.rename(data / file.name.replace("valid", "dev"))
    with pytest.raises(UserError, match="`valid` split"):
        compare(data, "--arms", "off")
    assert compare(data, "--arms", "off", "--", "--valid-subset", "dev") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--arms", "off", "--average", "0"], "`--average` must be 1 or more, but is 0"),
        (["--arms", "off", "--jobs", "0"], "`--jobs` must be 1 or more, but is 0"),
        (["--arms", "off", "--bootstrap-samples", "0"], "`--bootstrap-samples` must be 1 or more"),
        (["--arms", "off", "--generate", "'--beam 5"], "`--generate` must have closed quotes"),
        (["--arms", "off", "--", "--max-update", "5"], "leave --max-update"),
        (["--arm", "a=off --max-epoch 5"], "`--arm a` must leave --max-epoch"),
        (
            ["--arms", "off", "--average", "2", "--", "--keep-last-epochs", "1"],
            "`--` must leave --keep-last-epochs to autoassist compare",
        ),
        (
            ["--average", "2", "--arm", "a=off --keep-last-epochs=1"],
            "`--arm a` must leave --keep-last-epochs to",
        ),
        (["--arm", "a=off --checkpoint-suffix -a"], "`--arm a` must leave --checkpoint-suffix to"),
        (["--arms", "off", "--out", "a:b"], "`--out` must be without `:`, .* but is a:b; choose"),
        (["--arm", "a=off --data c:d"], "`--data` must be without `:`, .* but is c:d; choose"),
        (["--arms", "off", "--ref", "gone"], "`--ref` gone must be a readable file"),
        (["--arms", "off", "--detokenise", "sentencepiece"], "`--spm` is missing"),
    ],
)
def test_mistakes_make_nothing(data: Path, words: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        compare(data, *words)
    assert not (data.parent / "out").exists()


def test_files_that_are_not_what_they_should_be(data: Path) -> None:
    out = data.parent / "out"
    out.write_text("precious")
    with pytest.raises(UserError, match="`--out` must be a folder, but .*out is a file; choose"):
        compare(data, "--arms", "off")
    with pytest.raises(UserError, match="could not be read or written at .*: Not a directory"):
        compare(data, "--arms", "off", "--out", str(out / "below"))
    assert out.read_text() == "precious"
    (data / "dict.en.txt").unlink()
    with pytest.raises(UserError, match="`--data` must hold .* has no dict.en.txt"):
        compare(data, "--arms", "off", "--out", str(data.parent / "new"))
    assert not (data.parent / "new").exists()


def test_jobs_wait_for_a_slot_and_for_what_they_need() -> None:
    began: list[str] = []
    slots: set[int] = set()
    both = threading.Barrier(2, timeout=10)

    def work(name: str, slot: int, _: threading.Event) -> None:
        began.append(name)
        slots.add(slot)
        if name in ("a", "c"):
            both.wait()  # only side by side
        if name == "a":
            raise ValueError("no")

    failed = Pool(work, 2).run(["a", "b", "c", "d"], {"b": {"c"}, "d": {"a"}})
    assert failed == {"a": "ValueError: no", "d": "it needs a, which failed"}
    assert sorted(began[:2]) == ["a", "c"] and began[2:] == ["b"]
    assert slots == {0, 1}
