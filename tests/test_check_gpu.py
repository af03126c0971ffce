"""autoassist check-gpu: what is made when, what is kept, the table; one cheap row of each part."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from compare_programs import make_data

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.check_gpu import (
    command,
    evidence,
    lines,
    machine,
    ranks,
    small_runs,
    syncs,
    throughput,
)
from autoassist_fairseq.tools.check_gpu.checks import (
    FAIL,
    NOT_RUN,
    OK,
    Check,
    NotRun,
    Outcome,
    Overdue,
    Row,
)
from autoassist_fairseq.tools.check_gpu.flags import CORPORA
from autoassist_fairseq.tools.check_gpu.lanes import run_all
from autoassist_fairseq.tools.check_gpu.planning import Timetable
from autoassist_fairseq.tools.check_gpu.runner import KILLED, Runner
from autoassist_fairseq.tools.check_gpu.seen import Seen
from autoassist_fairseq.tools.check_gpu.store import ROWS, Store
from autoassist_fairseq.tools.compare import command as compare
from autoassist_fairseq.tools.compare import options
from autoassist_fairseq.tools.compare.jobs import Job
from autoassist_fairseq.tools.synthetic import files as synthetic
from autoassist_fairseq.tools.synthetic.files import write_corpus
from autoassist_fairseq.tools.synthetic.shape import Shape

MACHINE = {"device": "CPU", "code": "abc"}


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def found(runner: Any) -> Outcome:
    return Outcome(True, "fine")


class Still(Runner):
    """Runs nothing."""

    def warm(self) -> None:
        pass


def row(part: str, name: str, seconds: float, run: Any = found, alone: bool = False) -> Check[Any]:
    return Check(part, name, seconds, run, alone)


def order(checks: list[Check[Any]], shares: dict[str, float], seconds: float | None,
          cost: Callable[[Check[Any]], float]) -> tuple[list[str], list[str]]:  # fmt: skip
    """What is run in which order, and what is left, if each row costs what ``cost`` says."""
    clock, done = Clock(), []
    timetable = Timetable(checks, shares, seconds, clock)
    while (check := timetable.next()) is not None:
        clock.now += cost(check)
        timetable.took(check, cost(check))
        done.append(check.name)
    return done, [left.name for left in timetable.left_over()]


def test_parts_take_turns_and_what_did_not_fit_is_asked_again() -> None:
    checks = [row("a", "a1", 40), row("a", "a2", 40), row("a", "a3", 10), row("b", "b1", 30)]
    # a has half of 100 s: a1 and then a3; b1 fits into the rest, which leaves 20 s: not for a2.
    done, left = order(checks, {"a": 1, "b": 1}, 100, lambda one: one.seconds)
    assert (done, left) == (["a1", "a3", "b1"], ["a2"])
    # With 10 s less for b1 it is 40 s that are left: a2 fits.
    done, left = order(checks, {"a": 1, "b": 1}, 120, lambda one: one.seconds)
    assert (done, left) == (["a1", "a3", "b1", "a2"], [])


def test_estimates_follow_what_rows_took() -> None:
    checks = [row("a", f"a{n}", 10) for n in range(6)]
    # Each takes twice as long: after the first, 20 s are asked for, and two more fit into 60 s.
    assert order(checks, {"a": 1}, 60, lambda one: 20)[0] == ["a0", "a1", "a2"]
    assert len(order(checks, {"a": 1}, 31, lambda one: 5)[0]) == 6
    assert len(order(checks, {"a": 1}, None, lambda one: 1e6)[0]) == 6


def test_a_row_that_hangs_has_an_end() -> None:
    clock = Clock()
    timetable = Timetable([row("a", "a", 30)], {"a": 1}, 1000, clock)
    check = timetable.next()
    assert check is not None and timetable.due(check) == 180
    clock.now = 900
    assert timetable.due(check) == 1000 and timetable.fits(check)
    clock.now = 971
    assert not timetable.fits(check)


def test_what_comes_of_a_check(tmp_path: Path) -> None:
    def raising(error: Exception) -> Any:
        def run(runner: Any) -> Outcome:
            raise error

        return run

    checks = [
        row("a", "good", 1),
        row("a", "bad", 1, lambda runner: Outcome(False, "differs")),
        row("a", "broken", 1, raising(UserError("ended with status 1"))),
        row("a", "absent", 1, raising(NotRun("needs 2 GPUs"))),
        row("a", "slow", 1, raising(Overdue("late"))),
    ]
    rows: list[Row] = []
    run_all(Timetable(checks, {"a": 1}, None), [Still("cpu", tmp_path)], rows.append)
    assert {one.name: (one.verdict, one.found) for one in rows} == {
        "good": (OK, "fine"),
        "bad": (FAIL, "differs"),
        "broken": (FAIL, "UserError: ended with status 1"),
        "absent": (NOT_RUN, "needs 2 GPUs"),
        "slow": (FAIL, "did not end within 90 s"),
    }


def test_what_must_be_alone_is_alone(tmp_path: Path) -> None:
    running, most, together = 0, {True: 0, False: 0}, threading.Barrier(2)
    lock = threading.Lock()

    def running_with(alone: bool) -> Any:
        def run(runner: Any) -> Outcome:
            nonlocal running
            with lock:
                running += 1
                most[alone] = max(most[alone], running)
            if not alone:
                together.wait(10)  # hangs unless two of them run side by side
            with lock:
                most[alone] = max(most[alone], running)
                running -= 1
            return Outcome(True, "")

        return run

    checks = [row("a", f"{n}", 1, running_with(n > 3), n > 3) for n in range(6)]
    runners = [Still("cpu", tmp_path / str(n)) for n in range(2)]
    rows: list[Row] = []
    run_all(Timetable(checks, {"a": 1}, None), runners, rows.append)
    assert len(rows) == 6 and most == {True: 1, False: 2}


def test_rows_are_kept_for_the_same_machine_and_code(tmp_path: Path) -> None:
    names = [("runs", "good"), ("runs", "bad"), ("lines", "late")]
    store = Store(tmp_path, MACHINE, names)
    store.add(Row("runs", "good", OK, "fine | well", 1.25, {"loss": 2}))
    store.add(Row("runs", "bad", FAIL, "differs"))
    with (tmp_path / ROWS).open("a") as file:
        file.write('{"key": "cut o')
    again = Store(tmp_path, MACHINE, names)
    assert [again.done(*name) for name in names] == [True, False, False]
    assert not Store(tmp_path, {**MACHINE, "code": "def"}, names).done("runs", "good")
    assert [one.name for one in store.failed] == ["bad"]
    assert store.table().splitlines() == [
        "device CPU; code abc",
        "",
        "| part | what |  | seen | s |",
        "|---|---|---|---|--:|",
        "| runs | good | ok | fine / well | 1.2 |",
        "| runs | bad | FAIL | differs |  |",
        "| lines | late | not run | not yet |  |",
    ]
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["machine"] == MACHINE and result["rows"][0]["figures"] == {"loss": 2}


@pytest.mark.parametrize("bad", [True, False])
def test_a_failed_row_ends_with_status_1(
    bad: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [row("lines", "one", 1, lambda runner: Outcome(not bad, "seen"))]
    monkeypatch.setattr(command, "checks_of", lambda *args: made)
    monkeypatch.setattr(command, "Runner", Still)
    words = ["--device", "cpu", "--out", str(tmp_path), "--minutes", "1", "--parts", "lines"]
    assert command.main(words) == bad
    table, told = capsys.readouterr()
    assert f"| lines | one | {'FAIL' if bad else 'ok'} | seen |" in table
    assert ("failed: lines: one: seen" in told) is bad
    assert command.main([*words[:-4], "--minutes", "0.1"]) == bad
    assert ("1 of 1 rows were done before" in capsys.readouterr().err) is not bad


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--parts", "runs,nonsense"], "`--parts` must be of runs, .*'nonsense' is none of them"),
        (["--minutes", "0"], "`--minutes` must be above 0, but is 0.0"),
        (["--data", "no/such"], "`--data` must be a folder, but no/such is none"),
        (["--out", "a:b"], "`--out` must be without `:`, at which fairseq splits names, but is"),
    ],
)
def test_bad_options_are_told(args: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        command.main(args)


def seen(batches: list[list[int]], told: Callable[[int], float] = lambda at: 2.0) -> Seen:
    events: list[dict[str, Any]] = []
    for at, ids in enumerate(batches):
        events.append({"event": "batch", "place": [1, at], "ids": ids, "nll": 2.0})
        events.append({"event": "told", "place": [1, at], "missing": 0, "nll": told(at)})
    return Seen(0, "", events)


def test_what_runs_are_judged_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CORPORA, "small", Shape(4))
    updates = [[0, 1], [2, 3], [1, 3], [0]]
    assert small_runs.last_pass(updates) == 2
    assert small_runs.kept(updates, "shrink") == 0.75
    assert small_runs.of_skipping(updates, "shrink") == []
    assert small_runs.of_skipping(updates, "uniform") == ["75% of the pairs were kept, not all"]
    assert small_runs.of_skipping(updates[:2], "shrink")
    falling = [5.0, 4.0, 3.0, 2.0]
    assert small_runs.of_losses(falling, falling, updates) == []
    assert "does not fall" in small_runs.of_losses(falling[::-1], falling[::-1], updates)[0]
    assert "2.500 on the CPU" in small_runs.of_losses([5, 4, 3, 2.2], falling, updates)[0]
    assert small_runs.of_tap([seen(updates)], "shrink") == []
    wrong = small_runs.of_tap([seen(updates, lambda at: 2.0 + (at == 2) / 100)], "shrink")
    assert wrong == ["the tap saw 2.01000 at [1, 2], not 2.00000"]


class BeganError(Exception):
    """Training would begin."""


def begin(jobs: list[Job], side_by_side: int) -> None:
    """In the place of training: every arm came to the same."""
    rows = [{"arm": job.arm.name, "bleu": 30.0} for job in jobs]
    (jobs[0].out / "compare.json").write_text(json.dumps({"arms": rows}))
    raise BeganError


class Compares(Runner):
    """Runs ``autoassist compare`` until training begins."""

    def python(self, *words: object) -> str:
        with pytest.raises(BeganError):
            compare.compare([str(word) for word in words[3:]])
        return ""


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_what_is_compared_is_what_compare_takes(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "run", begin)
    monkeypatch.setattr(options, "_gpu", lambda: True)
    monkeypatch.setattr(options, "find_model", lambda *_: None)  # of a corpus that is made up
    shown, arms = evidence.Evidence(make_data(tmp_path / "made-up"), tmp_path), []
    for check in evidence.checks(shown, device == "cuda"):
        outcome = check.run(Compares(device, tmp_path))
        assert outcome.ok and "shrink 30.00" in outcome.found
        arms.append(len(outcome.figures["arms"]))
    assert arms == sorted(set(arms)), "each round has the arms of those before it, too"


@pytest.mark.parametrize("package", ["babel", "num2words", "scipy", "matplotlib", "jinja2"])
def test_a_package_that_is_missing_fails_no_row(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for check in evidence.checks(evidence.Evidence(None, tmp_path), cuda=False):
        with pytest.raises(NotRun, match=f"needs {package}; "):
            check.run(Compares("cpu", tmp_path))


class Goes(Runner):
    """Compares as ``autoassist compare`` does: what is there counts as done."""

    code = ""

    def warm(self) -> None:
        pass

    def python(self, *words: object) -> str:
        result = Path(str(words[words.index("--out") + 1])) / "compare.json"
        if not result.exists():
            result.parent.mkdir(parents=True)
            rows = [{"arm": f"{words[words.index('--data') + 1]} by {self.code}", "bleu": 1}]
            result.write_text(json.dumps({"arms": rows}))
        return ""


def test_what_other_code_or_another_corpus_came_to_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "Runner", Goes)
    monkeypatch.setattr(evidence, "ROUNDS", (("uniform",),))
    monkeypatch.setattr(machine, "describe", lambda device: {**MACHINE, "code": Goes.code})
    for code, data in (("old", "a"), ("old", "b"), ("new", "b"), ("new", "b")):
        monkeypatch.setattr(Goes, "code", code)
        (tmp_path / data).mkdir(exist_ok=True)
        words = ["--device", "cpu", "--parts", "evidence", "--data", str(tmp_path / data)]
        assert command.main([*words, "--out", str(tmp_path / "out")]) == 0
        assert f"{tmp_path / data} by {code} 1.00" in capsys.readouterr().out


class Finds(Runner):
    """Runs nothing; takes note of jobs that would have gone on from an earlier one's checkpoint."""

    def _serve(self, job: Mapping[str, Any]) -> list[int]:
        folder, args = Path(job["file"]).parent, job["args"]
        if "--save-dir" in args:
            save = Path(args[args.index("--save-dir") + 1])
            if save.exists():
                found_again.append(str(folder.relative_to(self.folder)))
            save.mkdir(parents=True, exist_ok=True)
        return [KILLED if "kill_after" in job["probe"].get("record", ()) else 0] * job["ranks"]

    def _launch(self, job: Mapping[str, Any], nodes: int) -> list[int]:
        return self._serve(job)


found_again: list[str] = []


def test_a_row_made_again_begins_anew(tmp_path: Path) -> None:
    runner = Finds("cuda", tmp_path, gpus=2)
    corpus = throughput.Corpus(tmp_path, throughput.DRY)
    for _ in range(2):
        made = small_runs.checks(small_runs.References(tmp_path), cuda=True)
        made += ranks.checks(tmp_path, gpus=2) + syncs.checks(syncs.Stock(tmp_path), cuda=True)
        for check in [*made, *throughput.checks(corpus, cuda=True)]:
            with suppress(Exception):  # nothing is there to be judged
                check.run(runner)
    assert found_again and {name for name in found_again if not name.endswith("resumed")} == set()


@pytest.mark.parametrize("name", ["small", "large"])
def test_a_corpus_that_was_cut_off_is_written_anew(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "CORPORA", {"small": Shape(9, 20, 4.0)})
    args = command.parser().parse_args(["--device", "cpu"])

    def make() -> Path:
        command.checks_of(args, machine.Device("CPU"), [], tmp_path)
        return throughput.Corpus(tmp_path / "large", throughput.DRY).folder().with_name(name)

    whole = {path.name: path.read_bytes() for path in make().iterdir()}
    shutil.rmtree(tmp_path)
    with monkeypatch.context() as full, pytest.raises(OSError, match="disk is full"):
        full.setattr(synthetic, "_write_split", Mock(side_effect=OSError("disk is full")))
        make()
    # As SIGKILL leaves it.
    (tmp_path / f"{name}.part").mkdir(parents=True)
    (tmp_path / f"{name}.part" / "train.en-de.en.bin").write_bytes(b"half")
    assert {path.name: path.read_bytes() for path in make().iterdir()} == whole


def test_ranks_need_their_gpus(tmp_path: Path) -> None:
    rows = {check.name: check for check in ranks.checks(tmp_path, 1)}
    with pytest.raises(NotRun, match="needs 2 GPUs, but there is one"):
        rows["NCCL on two GPUs, fp16"].run(Runner("cuda", tmp_path, gpus=1))


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """One that has imported fairseq already."""
    made = Runner("cpu", tmp_path_factory.mktemp("check-gpu"))
    yield made
    made.close()


@pytest.fixture
def small(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corpus of a few updates a pass."""
    shape = Shape(150, 100, 12.0)
    monkeypatch.setitem(CORPORA, "small", shape)
    data = runner.folder / "small"
    if not data.exists():
        write_corpus(data, shape)
    return data


@pytest.mark.slow
def test_a_row_of_the_lines(runner: Runner) -> None:
    outcome = lines.run("base", "float32", runner)
    assert outcome.ok, outcome.found
    assert "no wait added" in outcome.found and "identical" in outcome.found


@pytest.mark.slow
def test_a_row_of_the_runs(runner: Runner, small: Path) -> None:
    outcome = small_runs.whole_run(small_runs.References(small.parent), "shrink", "bf16", runner)
    assert outcome.ok, outcome.found


@pytest.mark.slow
def test_a_row_of_the_ranks(runner: Runner, small: Path) -> None:
    outcome = ranks.run(small, "gloo", "fp32", runner)
    assert outcome.ok and "plans equal" in outcome.found, outcome.found


@pytest.mark.slow
def test_a_row_of_the_synchronisations(
    runner: Runner, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncs, "BEGIN", 0)
    monkeypatch.setattr(syncs, "UPDATES", 2)
    outcome = syncs.run(syncs.Stock(small), "loss-table", "fp32", runner)
    assert outcome.ok and "scalar_dense" in outcome.found, outcome.found
    assert outcome.figures["ours"]["aten._local_scalar_dense"] > 0


def test_an_added_wait_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"stock": 18.0, "shrink": 18.1, "loss-table": 19.0}

    def count(data: Path, arm: str, *_: object) -> dict[str, float]:
        return {"aten._local_scalar_dense": counts[arm]}

    monkeypatch.setattr(syncs, "count", count)
    stock, cpu = syncs.Stock(tmp_path), Runner("cpu", tmp_path)
    assert syncs.run(stock, "shrink", "fp16", cpu).ok
    assert not syncs.run(stock, "loss-table", "fp16", cpu).ok


class Replays(Runner):
    """Gives the runs that it was told of, one after the other."""

    runs: list[Seen]

    def job(self, *args: Any, **how: Any) -> list[Seen]:
        return [self.runs.pop(0)]


def test_a_run_on_other_pairs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CORPORA, "small", Shape(6))
    # Two passes: all six pairs in three updates, then four of them in two.
    whole = [[0, 1], [2, 3], [4, 5], [5, 1], [2, 3]]
    losses = [5.0, 4.0, 3.0, 2.5, 2.0]

    def run(updates: list[list[int]], begin: int, status: int = 0) -> Seen:
        events = seen(updates).events
        for at, event in enumerate(events):
            event["nll"] = losses[begin + at // 2]  # type: ignore[index]
        return Seen(status, "", events)

    def verdict(killed: list[list[int]], resumed: list[list[int]]) -> Outcome:
        runner = Replays("cpu", tmp_path)
        begin = len(whole) - len(resumed)
        runner.runs = [run(whole, 0), run(killed, 0, -9), run(resumed, begin)]
        return small_runs.whole_run(small_runs.References(tmp_path), "shrink", "fp32", runner)

    assert verdict(whole[:3], whole[2:]).ok
    assert "other pairs" in verdict([[0, 1], [2, 4], [3, 5]], whole[2:]).found
    assert "did not go on" in verdict(whole[:3], [[4, 5], [5, 0], [2, 3]]).found
    assert not verdict(whole[:3], whole[4:]).ok, "a stretch was left out"


@pytest.mark.slow
def test_a_row_of_the_throughput(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "ARMS", ("uniform", "shrink"))
    corpus = throughput.Corpus(runner.folder / "large", throughput.Size(Shape(900, 80), 1, 3, 1))
    outcome = throughput.compare(corpus, "base", "bf16", False, runner)
    assert outcome.ok and outcome.figures["uniform"]["updates"] > 0, outcome.found
