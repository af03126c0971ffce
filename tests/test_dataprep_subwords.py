"""Subwords from counted words, of both kinds; and the Moses-tokenised track end to end."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st
from prepared import use_fake_preprocess
from subword_nmt.learn_bpe import learn_bpe  # type: ignore[import-untyped]

from autoassist_fairseq.errors import UserError
from autoassist_fairseq.tools.dataprep import bpe, subwords
from autoassist_fairseq.tools.dataprep.command import main
from autoassist_fairseq.tools.dataprep.dictionary import read_pieces, write_dictionary
from autoassist_fairseq.tools.demo_corpus.build import build

Pairs = list[tuple[str, str]]


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return build(seed=3, sizes={"train": 300})["train"]  # type: ignore[return-value]


@pytest.fixture(scope="module")
def lines(pairs: Pairs) -> list[str]:
    return [" ".join(side.split()) for pair in pairs for side in pair]


def test_a_model_lies_in_a_folder_of_whatever_name(tmp_path: Path) -> None:
    model = tmp_path / os.fsdecode(b"bad\xe9") / "model"
    subwords.learn([("ab", 2)], model, kind="bpe", vocab_size=6)
    assert [*subwords.encode(model, ["ab"], 1)] == [["▁", "a", "b"]]
    assert {"▁", "a", "b"} < subwords.known_pieces(model)


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1).map(" ".join)))
def test_words_are_counted_as_a_counter_does(sentences: list[str]) -> None:
    expected = Counter(word for line in sentences for word in line.split())
    assert dict(subwords.word_counts(sentences)) == expected


def test_counted_words_have_a_fixed_order() -> None:
    assert subwords.word_counts(["b a c", "c a", ""]) == [("a", 2), ("c", 2), ("b", 1)]


def test_only_the_frequent_words_are_remembered() -> None:
    once = [f"rare{number}" for number in range(50)]
    text = [f"the of {word}" for word in once] + ["and"] * 9
    assert subwords.word_counts(text, most=3) == [("of", 50), ("the", 50), ("and", 9)]


def test_clauses_of_scripts_without_spaces_are_not_forgotten() -> None:
    chinese = [f"我们去{chr(0x4E00 + number)}城" for number in range(300)]
    english = [f"the word{number % 3}" for number in range(300)]
    counts = subwords.word_counts([*english, *chinese], most=100)
    assert counts[:4] == [("the", 300), ("word0", 100), ("word1", 100), ("word2", 100)]
    sample = dict(counts[4:])
    assert len(sample) == 100 and sample.keys() <= set(chinese)
    assert sum(sample.values()) == 300  # they count for all
    assert subwords.word_counts([*english, *reversed(chinese)], most=100) == counts
    assert dict(subwords.word_counts(chinese)) == dict.fromkeys(chinese, 1)


def learned_by_sentencepiece_alone(lines: list[str]) -> list[tuple[str, float]]:
    content = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=content,
        model_type="bpe",
        vocab_size=300,
        character_coverage=1.0,
        minloglevel=2,
    )
    return vocabulary(sentencepiece.SentencePieceProcessor(model_proto=content.getvalue()))


def vocabulary(model: sentencepiece.SentencePieceProcessor) -> list[tuple[str, float]]:
    return [(model.id_to_piece(i), model.get_score(i)) for i in range(model.get_piece_size())]


def test_counted_words_give_the_model_that_sentences_give(lines: list[str], tmp_path: Path) -> None:
    subwords.learn(subwords.word_counts(lines), tmp_path / "model", kind="bpe", vocab_size=300)
    model = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "model"))
    assert vocabulary(model) == learned_by_sentencepiece_alone(lines)


def test_counted_words_give_the_codes_that_sentences_give(lines: list[str], tmp_path: Path) -> None:
    bpe.learn(subwords.word_counts(lines), tmp_path / "codes", 200)
    expected = io.StringIO()
    learn_bpe(lines, expected, 200)
    assert (tmp_path / "codes").read_text("utf-8") == expected.getvalue()


def test_characters_beyond_the_coverage_are_unknown(tmp_path: Path) -> None:
    text = ["abc abd acd bcd"] * 3_000 + ["☃"]
    for coverage, known in ((1.0, True), (0.9999, False)):
        subwords.learn(
            subwords.word_counts(text),
            tmp_path / "model",
            kind="bpe",
            vocab_size=14,
            character_coverage=coverage,
        )
        assert ("☃" in subwords.known_pieces(tmp_path / "model")) == known


def test_more_merges_than_the_text_allows(tmp_path: Path) -> None:
    words = [("abab", 2), ("ab", 1)]
    with pytest.raises(UserError, match="`--vocab-size` must be at most 3 for this text, but is 9"):
        bpe.learn(words, tmp_path / "codes", 9)
    assert not (tmp_path / "codes").exists()
    bpe.learn(words, tmp_path / "codes", 3)
    with pytest.raises(UserError, match="at most 0"):
        bpe.learn([("a", 5)], tmp_path / "codes", 1)


def test_held_out_text_is_spelled_with_what_the_dictionary_has(tmp_path: Path) -> None:
    codes, dictionary = tmp_path / "codes", tmp_path / "dict.txt"
    bpe.learn([("lower", 9), ("low", 9)], codes, 5)
    assert list(bpe.encode(codes, ["lower low"], 1)) == [["lower", "low"]]
    # "lower" was made of "lo" and "wer", and that of "we" and "r".
    write_dictionary(dictionary, Counter({"low": 3, "lo@@": 1, "we@@": 1, "r": 1}))
    assert list(bpe.encode(codes, ["lower low"], 1, dictionary)) == [["lo@@", "we@@", "r", "low"]]


def test_bpe_remembers_a_bounded_number_of_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bpe.learn([("lower", 9), ("low", 9)], tmp_path / "codes", 2)
    monkeypatch.setattr(bpe, "_MOST_REMEMBERED", 3)
    monkeypatch.setattr(bpe, "_BLOCK", 1)
    lines = [f"low{number}" for number in range(20)]
    assert [len(pieces) for pieces in bpe.encode(tmp_path / "codes", lines, 1)][:2] == [3, 3]
    assert len(bpe._loaded(tmp_path / "codes", None).cache) <= 4


def test_spare_pieces_have_no_count(tmp_path: Path) -> None:
    assert write_dictionary(tmp_path / "dict.txt", Counter(b=2, a=2, c=5), ["z", "a"]) == 4
    assert (tmp_path / "dict.txt").read_text() == "c 5\na 2\nb 2\nz 0\n"
    assert read_pieces(tmp_path / "dict.txt") == {"a", "b", "c", "z"}


def prepare(pairs: Pairs, folder: Path, *more: str) -> Path:
    """Prepare on the Moses track: the first pairs train, every tenth of them validates."""
    folder.mkdir(exist_ok=True)
    files = folder / "raw.en", folder / "raw.de"
    for side, file in enumerate(files):
        file.write_text("".join(f"{pair[side]}\n" for pair in pairs), "utf-8")
    given = ["--train", *map(str, files), "--test", *map(str, files)]
    options = (
        "--source-lang",
        "en",
        "--target-lang",
        "de",
        "--valid-every",
        "10",
        "--max-ratio",
        "99",
    )
    more = ("--track", "moses", "--vocab-size", "200", "--workers", "1", *more)
    assert main(["corpus", *options, *given, "--out", str(folder / "out"), *more]) == 0
    return folder / "out"


def read(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


@pytest.mark.slow
def test_the_moses_track(pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_fake_preprocess(monkeypatch)
    out = prepare(pairs, tmp_path)
    # References stay plain; what is cut are tokens.
    assert read(out / "text" / "test.de") == [target for _, target in pairs]
    for split, lines in (("train", 270), ("valid", 30), ("test", 300)):
        for language in ("en", "de"):
            tokens = read(out / "tokens" / f"{split}.{language}")
            pieces = read(out / "pieces" / f"{split}.{language}")
            assert len(tokens) == lines
            assert [line.replace("@@ ", "") for line in pieces] == tokens
    used = {piece for name in ("en", "de") for line in read(out / f"pieces/train.{name}")
            for piece in line.split()}  # fmt: skip
    assert used <= read_pieces(out / "subwords" / "dict.txt")
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    assert manifest["versions"]["subword-nmt"] == "0.3.8"
    step = next(step for step in manifest["steps"] if step["name"] == "text-train")
    assert (step["counts"]["valid"], step["counts"]["out"]) == (30, 270)
    assert step["options"]["split_hyphens"] is False


@pytest.mark.slow
def test_a_change_of_track_leaves_no_model_of_the_other(
    pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fake_preprocess(monkeypatch)
    out = prepare(pairs, tmp_path)
    assert [path.name for path in out.glob("subwords/joint.*")] == ["joint.codes"]
    prepare(pairs, tmp_path, "--track", "raw", "--vocab-size", "300")
    # Evaluation takes the model that it finds.
    assert [path.name for path in out.glob("subwords/joint.*")] == ["joint.model"]


@pytest.mark.slow
def test_workers_change_nothing(
    pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fake_preprocess(monkeypatch)
    digests = []
    for name, workers in (("one", "1"), ("two", "2")):
        out = prepare(pairs, tmp_path / name, "--workers", workers)
        digests.append(json.loads((out / "manifest.json").read_text("utf-8"))["files"])
    assert digests[0] == digests[1]
