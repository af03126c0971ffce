"""Corpora that are not all that a model can take, or not as fairseq likes them best."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from binarised import Binarised, binarise
from fairseq.data import Dictionary
from fairseq.tasks.translation import load_langpair_dataset
from training import Server

from autoassist_fairseq.assistant.corpus.features import spelled_alike
from autoassist_fairseq.plugin.corpus import corpus_of
from autoassist_fairseq.plugin.opening import languages_of
from autoassist_fairseq.tools.report.corpus import read_text

pytestmark = pytest.mark.slow

TAGS = ("de", "en", "fr", "pt", "pt-BR", "zh-Hans")
SIDES = (("src", "de"), ("tgt", "en"))


def test_a_pass_that_skips_nothing_warns_once_and_names_the_flag(
    server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    flags = ("--max-tokens", 200, "--autoassist-base-prob", 1, "--max-epoch", 4)
    run = server.train(corpus.data, tmp_path, *flags)
    assert run.status == 0
    warned = [line for line in run.output.splitlines() if "| WARNING |" in line]
    assert len(warned) == 1 and "`--autoassist-base-prob`" in warned[0] and "pass 2" in warned[0]
    assert [float(line["train_aa_keep"]) for line in run.logged("train")] == [1, 1, 1, 1]


def lengths_of(data: Path, split: str, language: str) -> list[int]:
    """Return tokens (with the end of sentence) of every sentence of the text behind ``data``."""
    text = (data.parent / f"{split}.{language}").read_text()
    return [len(line.split()) + 1 for line in text.splitlines()]


@pytest.mark.parametrize(
    ("flags", "source", "target"),
    [
        ("", 10, 12),
        ("--truncate-source --num-workers 0", 10**9, 12),
    ],
)
def test_pairs_too_long_for_the_model_are_left_out_and_the_rest_is_whole(
    flags: str, source: int, target: int, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    positions = ("--max-source-positions", 10, "--max-target-positions", 12)
    skip = ("--skip-invalid-size-inputs-valid-test", "--max-tokens", 100, "--max-epoch", 2)
    run = server.train(corpus.data, tmp_path, *positions, *skip, *flags.split())
    assert run.status == 0, run.output
    lengths = zip(*(lengths_of(corpus.data, "train", side) for side in ("de", "en")), strict=True)
    fit = [pair for pair, (s, t) in enumerate(lengths) if s <= source and t <= target]
    assert 50 < len(fit) < corpus.pairs
    assert sorted(run.considered(1)) == sorted(run.considered(2)) == sorted(run.trained(1)) == fit
    assert (
        f"{corpus.pairs - len(fit)} of {corpus.pairs} pairs are longer than (10, 12)" in run.output
    )


@pytest.mark.parametrize("impl", ["lazy", "raw"])
def test_a_corpus_that_is_not_memory_mapped_is_trained_on_all_the_same(
    impl: str, server: Server, corpus: Binarised, tmp_path: Path
) -> None:
    words = [f"--{side}dict={corpus.data}/dict.{side_of}.txt" for side, side_of in SIDES]
    binarise(server, corpus.data.parent, tmp_path / "data", "--dataset-impl", impl, *words)
    flags = ("--max-tokens", 100, "--max-epoch", 2, "--num-workers", 2)
    mapped = server.train(corpus.data, tmp_path / "a", *flags)
    other = server.train(tmp_path / "data", tmp_path / "b", *flags, "--dataset-impl", impl)
    assert other.status == 0, other.output
    assert "is not memory-mapped" in other.output and "is not" not in mapped.output
    assert other.losses == mapped.losses


@pytest.mark.parametrize(
    ("given", "way"), [("", "pt-BR-en"), ("--source-lang en", "en-pt-BR"), ("-s de", "one is de")]
)
def test_a_language_may_have_a_hyphen(
    given: str, way: str, server: Server, few: Binarised, tmp_path: Path
) -> None:
    (data := tmp_path / "data").mkdir()
    for file in few.data.iterdir():
        shutil.copy(file, data / re.sub(r"\bde\b", "pt-BR", file.name))
    flags = ("--max-tokens", 200, "--max-epoch", 1, *given.split())
    run = server.train(data, tmp_path / "run", *flags)
    assert way in run.output
    if "one is" in way:
        assert "must be of pt-BR and en, which" in run.output and "Traceback" not in run.output
    else:
        assert run.status == 0, run.output
        assert sorted(run.trained(1)) == list(range(few.pairs))


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        ("train.de-en.de.idx", ("de", "en")),
        ("train.en-zh-Hans.en train.en-zh-Hans.zh-Hans", ("en", "zh-Hans")),
        ("valid.pt-BR-pt.pt.bin", ("pt-BR", "pt")),
        ("train.en-fr.en.bin train.de-en.en.bin", None),
        ("train.en.idx", None),
    ],
)
def test_names_of_files_tell_the_languages(
    names: str, pair: tuple[str, str] | None, tmp_path: Path
) -> None:
    for name in [*names.split(), *(f"dict.{tag}.txt" for tag in TAGS)]:
        (tmp_path / name).touch()
    assert languages_of(tmp_path) == pair


def test_validating_on_the_training_set_is_fairseq_s_own(
    server: Server, few: Binarised, tmp_path: Path
) -> None:
    """A validation takes no pair from training, within a pass or at its end."""
    flags = ("--max-tokens", 200, "--max-epoch", 3, "--autoassist-base-prob", 0.1)
    sets = ("--valid-subset", "train,valid", "--validate-interval-updates", 7)
    plain = server.train(few.data, tmp_path / "a", *flags)
    run = server.train(few.data, tmp_path / "b", *flags, *sets)
    assert run.status == 0, run.output
    assert run.losses == plain.losses, "the same training"
    validated = [line for line in run.logged("train") if "train_aa_pass" not in line]
    assert len(validated) == len(run.logged("valid")) > 3


def test_what_is_spelled_alike_is_told_by_the_dictionaries(corpus: Binarised) -> None:
    """And not by their size: these have the same words, in different orders."""
    words = [Dictionary.load(str(corpus.data / f"dict.{name}.txt")) for name in ("de", "en")]
    dataset = load_langpair_dataset(
        *(str(corpus.data), "train", "de", words[0], "en", words[1]),
        combine=False,
        dataset_impl=None,
        upsample_primary=1,
        left_pad_source=True,
        left_pad_target=False,
        max_source_positions=99,
        max_target_positions=99,
    )
    alike = corpus_of(dataset).alike
    assert alike is not None
    assert [words[0][i] for i in alike] == words[1].symbols
    assert len(words[0]) == len(words[1]) and (alike != np.arange(len(alike))).any()
    same = read_text(corpus.data, "de", "en").corpus.alike  # what find-wrong-pairs goes by
    assert same is not None and (same == alike).all()
    assert spelled_alike(["a", "b"], ["b", "c", "a"]).tolist() == [1, -1, 0]
