"""Whole runs with the flags of translation runs: what a pass promises is what fairseq trains on."""

from __future__ import annotations

import operator
import shutil
from dataclasses import dataclass

import pytest
from binarised import make_corpus
from training import Run, Server

pytestmark = pytest.mark.slow

METRICS = (
    *("aa_keep", "aa_keep_tokens", "aa_accuracy", "aa_majority"),
    *("aa_safeguard", "aa_threshold", "aa_wait", "aa_pass"),
)
BIG, SMALL = 600, 200
EPOCHS = 3


@dataclass(frozen=True)
class Case:
    """A run and what must come of it.

    Attributes:
        flags: of fairseq-train, beside those of every run.
        pairs: pairs that are considered in each epoch.
        freq: micro-batches per update in each epoch.
        max_tokens, max_pairs, multiple: what one batch may hold; 0 = no limit.
        logs: how the log shows metrics.
    """

    flags: str
    pairs: tuple[int, ...] = (BIG,) * EPOCHS
    freq: tuple[int, ...] = (1,) * EPOCHS
    max_tokens: int = 0
    max_pairs: int = 10**9
    multiple: int = 1
    logs: str = "json"
    data: str = "big"


CASES = {
    "stock": Case("--max-tokens 100 --num-workers 0 --data-buffer-size 0", max_tokens=100),
    "prefetch": Case(
        "--max-tokens 60 --num-workers 2 --data-buffer-size 10 --update-freq 2"
        " --required-batch-size-multiple 2 --tensorboard-logdir {folder}/board --save-interval 1",
        freq=(2, 2, 2),
        max_tokens=60,
        multiple=2,
    ),
    "sentences": Case(
        "--batch-size 7 --criterion cross_entropy --update-freq 1,2,3 --log-format simple",
        freq=(1, 2, 3),
        max_pairs=7,
        logs="simple",
    ),
    "upsampled": Case(
        "--max-tokens 120 --batch-size 30 --upsample-primary 2 --num-workers 2"
        " --required-batch-size-multiple 8 --log-format tqdm --data-buffer-size 0",
        pairs=(2 * BIG + SMALL,) * EPOCHS,
        max_tokens=120,
        max_pairs=30,
        multiple=8,
        logs="tqdm",
        data="two splits",
    ),
    "two splits": Case(
        "--max-tokens 150 --skip-remainder-batch",
        (BIG + SMALL,) * 3,
        max_tokens=150,
        data="two splits",
    ),
    "shards": Case(
        "--max-tokens 80 --update-freq 3 --num-workers 1 --grouped-shuffling",
        pairs=(BIG, SMALL, BIG),
        freq=(3, 3, 3),
        max_tokens=80,
        data="shards",
    ),
    "bleu": Case(
        '--max-tokens 100 --eval-bleu --eval-bleu-args {{"beam":1,"max_len_b":10}}'
        " --eval-bleu-detok space --best-checkpoint-metric bleu --maximize-best-checkpoint-metric"
        " --validate-interval-updates 40 --sentence-avg --ignore-prefix-size 1 --report-accuracy",
        max_tokens=100,
    ),
}


@pytest.fixture(scope="module")
def folders(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """DATA arguments by name."""
    root = tmp_path_factory.mktemp("runs")
    big = make_corpus(server, root / "big", BIG).data
    small = make_corpus(server, root / "small", SMALL, seed=1, dictionaries=big).data
    both = shutil.copytree(big, root / "both")
    for path in small.glob("train.*"):
        shutil.copy(path, both / path.name.replace("train.", "train1.", 1))
    return {"big": str(big), "two splits": str(both), "shards": f"{big}:{small}"}


@pytest.fixture(scope="module", params=CASES)
def case_and_run(
    request: pytest.FixtureRequest,
    server: Server,
    folders: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Case, Run]:
    case = CASES[request.param]
    folder = tmp_path_factory.mktemp("run")
    flags = case.flags.format(folder=folder).split()
    flags += ["--max-epoch", str(len(case.pairs))]
    return case, server.train(folders[case.data], folder / "save", *flags)


def test_the_run_ends_well(case_and_run: tuple[Case, Run]) -> None:
    _, run = case_and_run
    assert run.status == 0 and "Traceback" not in run.output, run.output


def test_every_pair_is_considered_once_and_every_kept_pair_trained_once(
    case_and_run: tuple[Case, Run],
) -> None:
    case, run = case_and_run
    for epoch, pairs in enumerate(case.pairs, 1):
        assert sorted(run.considered(epoch)) == list(range(pairs))
        assert {window["known"] for window in run.of("window", epoch)} == {pairs}
        trained = run.trained(epoch)
        assert len(set(trained)) == len(trained) == sum(w["kept"] for w in run.of("window", epoch))
        if epoch == 1:
            assert len(trained) == pairs, "the first pass keeps everything"
        else:
            assert pairs / 2 < len(trained) < pairs * 0.95


def test_batches_keep_to_the_budget(case_and_run: tuple[Case, Run]) -> None:
    case, run = case_and_run
    for batch in run.of("batch"):
        rows = len(batch["ids"])
        assert 1 <= rows <= case.max_pairs
        assert rows * max(batch["source"][1], batch["target"][1]) <= (case.max_tokens or 10**9)
    full = [len(batch["ids"]) for batch in run.of("batch") if len(batch["ids"]) > case.multiple]
    # Only the last batch of a window, and those split to fill the last update, may differ.
    exceptions = sum(rows % case.multiple != 0 for rows in full)
    assert exceptions <= len(run.of("window")) + 2 * sum(case.freq)


def test_every_epoch_is_whole_and_ends_with_validation_and_a_checkpoint(
    case_and_run: tuple[Case, Run],
) -> None:
    case, run = case_and_run
    for epoch, freq in enumerate(case.freq, 1):
        assert len(run.of("batch", epoch)) % freq == 0
        promised = f"pass {epoch}: {case.pairs[epoch - 1]:,} pairs in "
        line = next(line for line in run.output.splitlines() if promised in line)
        assert f" {len(run.of('batch', epoch)) // freq:,} updates of {freq} batches" in line
        assert run.of("validation", epoch)
    boss = ("epoch", "batch", "validation")
    events = [entry["event"] for entry in run.events if entry["event"] in boss]
    assert events[-1] == "validation" and events.count("epoch") == len(case.pairs)
    for index, event in enumerate(events[1:], 1):
        assert event != "epoch" or events[index - 1] == "validation"
    names = {f"checkpoint{epoch}.pt" for epoch in range(1, len(case.pairs) + 1)}
    assert names | {"checkpoint_last.pt", "checkpoint_best.pt"} <= set(run.checkpoints())


def test_every_train_line_shows_the_metrics(case_and_run: tuple[Case, Run]) -> None:
    case, run = case_and_run
    for line in (ends := run.logged("train")):
        assert {f"train_{metric}" for metric in METRICS} <= line.keys()
    assert len(ends) == len(case.pairs)
    if case.logs == "json":
        inner = run.logged("train_inner")
        assert all(set(METRICS) <= line.keys() for line in inner)
        micros = [len(run.of("batch", epoch)) for epoch in range(1, len(case.freq) + 1)]
        assert len(inner) == sum(map(operator.floordiv, micros, case.freq))
    else:
        bars = [line for line in run.output.splitlines() if "gnorm=" in line]
        assert len(bars) > len(case.pairs)
        assert all(f"{metric}=" in line for line in bars for metric in METRICS)


def test_the_log_says_what_was_really_kept(case_and_run: tuple[Case, Run]) -> None:
    case, run = case_and_run
    for epoch, line in enumerate(run.logged("train"), 1):
        share = len(run.trained(epoch)) / case.pairs[epoch - 1]
        assert float(line["train_aa_keep"]) == pytest.approx(share, abs=1e-4)
        assert float(line["train_aa_pass"]) == epoch
        assert 0.5 <= float(line["train_aa_safeguard"]) <= 1
        assert 0 <= float(line["train_aa_accuracy"]) <= 1
        assert float(line["train_aa_wait"]) >= 0


def test_tensorboard_shows_the_metrics(case_and_run: tuple[Case, Run]) -> None:
    case, run = case_and_run
    written = b"".join(path.read_bytes() for path in run.save_dir.parent.glob("board/*/events*"))
    assert bool(written) == ("--tensorboard" in case.flags)
    assert not written or all(metric.encode() in written for metric in METRICS)


def test_bleu_is_measured_where_it_was_asked_for(case_and_run: tuple[Case, Run]) -> None:
    case, run = case_and_run
    if case.logs == "json":
        lines = run.logged("valid")
        assert len(lines) == len(run.of("validation")) > 0
        assert all(("valid_bleu" in line) == ("--eval-bleu" in case.flags) for line in lines)
