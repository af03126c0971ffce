"""It learns and it shrinks: a slice of real text (Multi30k, English to German)."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import pytest
from training import LOGGED, SHRINK, SMOOTHED, TASK, Run, command

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "multi30k"
PAIRS, VALID, PIECES = 5_000, 400, 2_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"no Multi30k in {SHARED}"),
]


def lines(name: str, count: int) -> list[str]:
    with gzip.open(SHARED / f"{name}.gz", "rt", encoding="utf-8") as file:
        return list(itertools.islice(file, count))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first pairs of Multi30k, in pieces of one joined vocabulary."""
    import sentencepiece

    folder = tmp_path_factory.mktemp("multi30k")
    text = {
        f"{split}.{language}": lines(f"{name}.{language}", count)
        for split, name, count in (("train", "train", PAIRS), ("valid", "val", VALID))
        for language in ("en", "de")
    }
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text["train.en"] + text["train.de"]),
        model_prefix=str(folder / "pieces"),
        vocab_size=PIECES,
        num_threads=1,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "pieces.model"))
    for name, sentences in text.items():
        encoded = pieces.encode([line.strip() for line in sentences], out_type=str)
        (folder / name).write_text("".join(" ".join(words) + "\n" for words in encoded))
    status, output = command(
        "fairseq-preprocess",
        *("--source-lang", "en", "--target-lang", "de", "--joined-dictionary", "--workers", 1),
        *("--trainpref", folder / "train", "--validpref", folder / "valid"),
        *("--destdir", folder / "data"),
    )
    assert status == 0, output
    return folder / "data"


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    status, output = command(
        "fairseq-train",
        *(data, *TASK, *SHRINK, *LOGGED, *SMOOTHED, "--save-dir", folder),
        *("--arch", "transformer_tiny", "--share-all-embeddings", "--dropout", 0.1),
        *("--optimizer", "adam", "--adam-betas", "(0.9,0.98)", "--lr", 0.004),
        *("--lr-scheduler", "inverse_sqrt", "--warmup-updates", 60),
        *("--max-tokens", 1500, "--max-epoch", 3, "--no-epoch-checkpoints"),
        limit=250,
    )
    assert status == 0, output
    return Run(status, output, [], folder)


def test_the_loss_falls(run: Run) -> None:
    for tag, name in (("train", "train_nll_loss"), ("valid", "valid_nll_loss")):
        losses = [float(line[name]) for line in run.logged(tag)]
        assert len(losses) == 3
        assert losses == sorted(losses, reverse=True) and losses[2] < losses[0] - 1


def test_pairs_are_skipped_once_warm_up_is_over(run: Run) -> None:
    ends = run.logged("train")
    keep = [float(line["train_aa_keep_tokens"]) for line in ends]
    assert keep[0] == 1 and keep[2] < 0.85
    # What fairseq itself counted: target tokens per update, times updates so far.
    updates = [0, *(float(line["train_num_updates"]) for line in ends)]
    tokens = [
        float(line["train_wpb"]) * (after - before)
        for line, (before, after) in zip(ends, itertools.pairwise(updates), strict=True)
    ]
    assert [count / tokens[0] for count in tokens] == pytest.approx(keep, abs=0.002)


def test_the_assistant_knows_more_than_the_majority(run: Run) -> None:
    for line in run.logged("train")[1:]:
        assert float(line["train_aa_accuracy"]) > float(line["train_aa_majority"]) + 0.02


def test_the_boss_hardly_waits(run: Run) -> None:
    for line in run.logged("train"):
        milliseconds_per_update = 1000 / float(line["train_ups"])
        assert float(line["train_aa_wait"]) < 0.01 * milliseconds_per_update
